// Reads lines of a chart's folder and files of values, separated by tabs, and answers each with the median times in
// microseconds that Helm's own packages take to load it, to put its values together, to hold them against schemas, to
// render, to sort, and for all of it; and the least for all of it.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"sort"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
)

const rounds = 15
const phases = 5

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func median(times []float64) float64 {
	sort.Float64s(times)
	return times[len(times)/2]
}

// once does all of it and tells the time after each phase.
func once(folder string, files []string, caps *chartutil.Capabilities) [phases + 1]time.Time {
	options := values.Options{ValueFiles: files}
	var at [phases + 1]time.Time
	at[0] = time.Now()
	given, err := options.MergeValues(nil)
	check(err)
	chart, err := loader.LoadDir(folder)
	check(err)
	at[1] = time.Now()
	check(chartutil.ProcessDependenciesWithMerge(chart, given))
	release := chartutil.ReleaseOptions{Name: "bench", Namespace: "default", Revision: 1, IsInstall: true}
	top, err := chartutil.ToRenderValuesWithSchemaValidation(chart, given, release, caps, true)
	check(err)
	at[2] = time.Now()
	check(chartutil.ValidateAgainstSchema(chart, top["Values"].(chartutil.Values)))
	at[3] = time.Now()
	rendered, err := engine.Engine{}.Render(chart, top)
	check(err)
	at[4] = time.Now()
	for name := range rendered {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(rendered, name)
		}
	}
	_, _, err = releaseutil.SortManifests(rendered, nil, releaseutil.InstallOrder)
	check(err)
	at[5] = time.Now()
	return at
}

func main() {
	log.SetOutput(io.Discard)
	caps := chartutil.DefaultCapabilities.Copy()
	caps.KubeVersion = chartutil.KubeVersion{Version: "v1.36.0", Major: "1", Minor: "36"}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		times := make([][]float64, phases+1)
		for i := 0; i < rounds; i++ {
			at := once(parts[0], parts[1:], caps)
			for phase := 0; phase < phases; phase++ {
				times[phase] = append(times[phase], float64(at[phase+1].Sub(at[phase]).Nanoseconds())/1e3)
			}
			times[phases] = append(times[phases], float64(at[phases].Sub(at[0]).Nanoseconds())/1e3)
		}
		out := make([]string, 0, phases+2)
		for _, all := range times {
			out = append(out, fmt.Sprintf("%.0f", median(all)))
		}
		// Sorted by now.
		out = append(out, fmt.Sprintf("%.0f", times[phases][0]))
		fmt.Println(strings.Join(out, "\t"))
	}
}
