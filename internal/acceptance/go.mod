module github.com/connector-customizers/customizers/internal/acceptance

go 1.25.0

replace github.com/connector-customizers/customizers => ../..

require github.com/rogpeppe/go-internal v1.16.0

require (
	golang.org/x/sys v0.41.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)
