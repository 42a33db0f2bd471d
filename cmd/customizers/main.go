// Command customizers lists, creates, changes and deploys the connector customizers of
// SailPoint Identity Security Cloud. It also serves a sandbox tenant. See customizers
// --help.
package main

import "github.com/connector-customizers/customizers/internal/cli"

func main() { cli.Main() }
