// Reads lines of a chart's folder and files of values, separated by tabs, and prints for each chart the median time in
// microseconds that Helm's own packages take to load it, to put its values together, to render and to sort it.
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

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	log.SetOutput(io.Discard)
	caps := chartutil.DefaultCapabilities.Copy()
	caps.KubeVersion = chartutil.KubeVersion{Version: "v1.36.0", Major: "1", Minor: "36"}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		times := []float64{}
		for i := 0; i < rounds; i++ {
			options := values.Options{ValueFiles: parts[1:]}
			start := time.Now()
			given, err := options.MergeValues(nil)
			check(err)
			chart, err := loader.LoadDir(parts[0])
			check(err)
			check(chartutil.ProcessDependenciesWithMerge(chart, given))
			release := chartutil.ReleaseOptions{Name: "bench", Namespace: "default", Revision: 1, IsInstall: true}
			top, err := chartutil.ToRenderValues(chart, given, release, caps)
			check(err)
			files, err := engine.Engine{}.Render(chart, top)
			check(err)
			for name := range files {
				if strings.HasSuffix(name, "NOTES.txt") {
					delete(files, name)
				}
			}
			_, _, err = releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
			check(err)
			times = append(times, float64(time.Since(start).Microseconds()))
		}
		sort.Float64s(times)
		fmt.Printf("%s\t%.0f\n", parts[0], times[rounds/2])
	}
}
