module github.com/connector-customizers/customizers/internal/interop

go 1.26.0

ignore (
	./build
	./node_modules
)

require (
	github.com/connector-customizers/customizers v0.0.0
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/oauth2 v0.38.0
)

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/oapi-codegen/runtime v1.9.0 // indirect
)

replace github.com/connector-customizers/customizers => ../..
