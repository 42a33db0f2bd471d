// Command nethttp links net/http and does nothing. The benchmarks compare its start time with
// the start time of the customizers command.
package main

import _ "net/http"

func main() {}
