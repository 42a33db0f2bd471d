// Package soak tests the SDK over an unreliable network. Clients call a fake tenant through
// Toxiproxy. The tests then compare the results that callers got with the tenant's state. It is
// a module of its own, so that users of the SDK don't inherit its dependencies.
package soak
