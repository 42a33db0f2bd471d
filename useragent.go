package customizers

import (
	"runtime"
	"runtime/debug"
	"sync"
)

const modulePath = "github.com/connector-customizers/customizers"

// userAgent is this module's name and version as the program was built with it.
var userAgent = sync.OnceValue(func() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
				version = m.Version
			}
		}
	}
	return "connector-customizers-go/" + version + " (" + runtime.Version() + "; " + runtime.GOOS + ")"
})
