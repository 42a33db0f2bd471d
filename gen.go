package customizers

//go:generate go tool -modfile=internal/tools/codegen/go.mod oapi-codegen -config api/oapi-codegen.yaml openapi.yaml
//go:generate go tool -modfile=internal/tools/codegen/go.mod oapi-codegen -config customizerstest/internal/server/oapi-codegen.yaml openapi.yaml
//go:generate go tool -modfile=internal/tools/codegen/go.mod oapi-codegen -config oapi-codegen.yaml openapi.yaml
