// Package soak holds the SDK against a network that misbehaves: Toxiproxy stands
// between clients and a fake tenant, and what callers were told is compared with what
// the tenant has. It is all tests, in a module of its own, as users need none of it.
package soak
