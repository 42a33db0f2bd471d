package acceptance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// list writes its first line before the last page arrives.
func TestListStreams(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"table", "json", "jsonl", "yaml", "id"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, blockThirdPage(), customizerstest.WithCustomizerCount(700))
			cmd := exec.Command(program, "list", "-o", format)
			cmd.Env = g.env
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			out := bufio.NewReader(stdout)
			first := make(chan error, 1)
			go func() {
				_, err := out.ReadString('\n')
				first <- err
			}()
			select {
			case err := <-first:
				require.NoError(t, err)
			case <-time.After(timeout):
				require.FailNow(t, "no output before the last page")
			}
			g.open()
			_, err = io.Copy(io.Discard, out)
			require.NoError(t, err)
			require.NoError(t, cmd.Wait())
		})
	}
}

// A list writes its first line before half of its pages are requested. A list of 100,000
// customizers uses about as much memory as one of 10,000.
func TestListInConstantMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read from Linux's /proc")
	}
	t.Parallel()
	peak := map[int]int{}
	for _, n := range []int{10_000, 100_000} {
		env, log := serve(t, "--customizers", strconv.Itoa(n))
		cmd := exec.Command(program, "list", "-o", "jsonl")
		cmd.Env = env
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		got := 0
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if got++; got == 1 {
				// The program is blocked on its output, so the log has only the pages so far.
				data, err := os.ReadFile(log)
				require.NoError(t, err)
				assert.Less(t, strings.Count(string(data), "GET "), n/250/2, "pages requested at the first line")
			}
			if got%1000 == 0 && got < n {
				peak[n] = peakMemory(t, cmd.Process.Pid)
			}
		}
		require.NoError(t, cmd.Wait())
		require.Equal(t, n, got)
	}
	t.Logf("peak memory in kB: %v", peak)
	assert.Less(t, peak[100_000], peak[10_000]*5/4)
}

// peakMemory returns the peak memory of a running process in kB. The peak that the system
// reports after the process has exited would include the test's own, from before exec.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(data)
	require.NotNil(t, m, "%s", data)
	kB, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return kB
}
