// Package acceptance tests the built command in scripts, on a pseudo-terminal and, for the
// sandbox's page, in a browser. It is a separate module, so that users don't download what
// the tests need. The tests need Unix. Those of the page are skipped without Chromium on
// PATH.
package acceptance
