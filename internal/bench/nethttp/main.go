// Command nethttp links net/http and does nothing. The benchmarks compare its start with
// that of the customizers command.
package main

import _ "net/http"

func main() {}
