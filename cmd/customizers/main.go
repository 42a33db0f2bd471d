// Command customizers lists, creates, changes and deploys SailPoint connector customizers, and
// serves a sandbox tenant. See customizers --help.
package main

import "github.com/connector-customizers/customizers/internal/cli"

func main() { cli.Main() }
