// Package acceptance runs the built command as its users do: in scripts, on a
// pseudo-terminal and, for the sandbox's page, in a browser. It is all tests, in a
// module of its own, as users need none of it. It needs a Unix; without Chromium on
// PATH the test of the page is skipped.
package acceptance
