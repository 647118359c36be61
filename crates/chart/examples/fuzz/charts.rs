//! Whole charts: files to manifests, hooks and where each line comes from.

use std::fmt::Write;
use std::sync::Arc;

use masthead_chart::chart::File;
use masthead_chart::hook::Event;
use masthead_chart::load;
use masthead_chart::manifests;
use masthead_chart::render::{Asks, Options, render};
use masthead_sprig::time::moment::Moment;

use crate::random::Random;
use crate::texts::{PIECES, SAMPLE};
use crate::values::table;

const KEYS: [&str; 6] = ["a", "b", "c", "d", "global", "x"];

fn template(random: &mut Random) -> String {
    const PARTS: [&str; 30] = [
        "kind: {{ .Values.a }}\n",
        "metadata:\n  name: {{ .Release.Name }}\n",
        "a: {{ toYaml .Values | nindent 2 }}\n",
        "{{ include \"t.x\" . }}",
        "{{ include \"t.x\" . | nindent 4 }}\n",
        "---\n",
        "b: {{ .Values.b.c | default \"é\" }}\n",
        "{{- if .Values.x }}\nx: 1\n{{- end }}\n",
        "{{ range $k, $v := .Values }}\n{{ $k }}: {{ $v | quote }}\n{{ end }}",
        "{{ tpl (.Values.d | toString) . }}\n",
        "{{ .Files.Get \"f\" }}",
        "# c\n",
        "{{ with .Values.c }}c: {{ .d }}{{ end }}\n",
        "{{ define \"t.x\" }}q: {{ .Values.x }}\nr: 2{{ end }}",
        "{{ .Chart.Name }}: {{ .Chart.Version }}\n",
        "{{ fail \"x\" }}",
        "{{ set .Values \"n\" 1 | toJson }}\n",
        "{{ .Subcharts | toJson }}\n",
        "{{ $.Template.Name }}\n",
        "{{ (.Files.Glob \"*\").AsConfig }}\n",
        "{{ required \"x\" .Values.a }}\n",
        "{{ .Capabilities.KubeVersion }}\n",
        "{{ lookup \"v1\" \"Pod\" \"\" \"\" }}\n",
        "text\n",
        "\n\n",
        "{{ .Values.no.such }}",
        "{{",
        "  ",
        "annotations:\n    helm.sh/hook: {{ .Values.d }}\n",
        "{{ .Values.a }}{{ .Values.b }}\n",
    ];
    random.text(&PARTS, 8)
}

/// A chart renders the same twice, traced or not, and each line of a manifest has its origin in a file of the chart.
pub fn chart(random: &mut Random, tried: &mut String) -> Result<(), String> {
    let yaml = |name: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
    let mut files = vec![
        File::new("Chart.yaml", yaml("t")),
        File::new("values.yaml", random.object(&KEYS, true, 0).to_string()),
        File::new("f", "text"),
        File::new("charts/c/Chart.yaml", yaml("c")),
        File::new("charts/c/values.yaml", random.object(&KEYS, true, 0).to_string()),
        File::new("charts/c/templates/x.yaml", template(random)),
        File::new("templates/_x.tpl", "{{ define \"t.x\" }}p: {{ .Values.a }}\n{{ end }}"),
        File::new("templates/y.yaml", template(random)),
    ];
    files.push(File::new(
        random.pick(&["templates/z.yaml", "templates/NOTES.txt", "crds/z.yaml", "requirements.yaml", "a/b"]),
        template(random),
    ));
    let user = random.object(&KEYS, true, 0);
    for file in &files {
        let _ = writeln!(tried, "== {}\n{}", file.name, file.data);
    }
    let _ = write!(tried, "== user: {user}");
    let Ok(chart) = load::files(files, &mut Vec::new()) else { return Ok(()) };
    let chart = Arc::new(chart);
    let mut options = Options::new("r", "n", [7; 32], Moment::from_unix(0, 0));
    options.limits.steps = 100_000;
    let draw = |options: &Options| render(&chart, &table(&user), options, Asks::default(), &mut Vec::new());
    let plain = draw(&options);
    options.trace = true;
    let traced = draw(&options);
    let (plain, traced) = match (plain, traced) {
        (Ok(plain), Ok(traced)) => (plain, traced),
        (Err(a), Err(b)) if a.text == b.text => return Ok(()),
        (a, b) => return Err(format!("tracing changes what is rendered: {a:?} and {b:?}")),
    };
    if plain.manifests != traced.manifests || plain.hooks != traced.hooks || plain.notes != traced.notes {
        return Err("tracing changes what is rendered".to_owned());
    }
    let all = traced.manifests.iter().chain(traced.hooks.iter().map(|hook| &hook.manifest));
    for manifest in all {
        let origins = traced.origins_of(manifest);
        if origins.len() != manifest.text.split('\n').count() {
            return Err(format!("{} lines have {} origins", manifest.text.split('\n').count(), origins.len()));
        }
    }
    for event in Event::ALL {
        let order: Vec<_> =
            plain.hooks_at(event).into_iter().map(|hook| (hook.weight, hook.name().to_owned())).collect();
        if !order.is_sorted() {
            return Err(format!("hooks are not in order: {order:?}"));
        }
    }
    Ok(())
}

/// Rendered files of any content are split and sorted, or the file with the fault is named.
pub fn hooks(random: &mut Random, tried: &mut String) -> Result<(), String> {
    let parts: Vec<String> = (0..random.below(4)).map(|_| random.mutate(SAMPLE, &PIECES)).collect();
    *tried = parts.join("\n---\n");
    let files = [("c/templates/a.yaml", tried.as_bytes()), ("c/templates/b.yaml", b"kind: A\n".as_slice())];
    match manifests::sort(files.into_iter(), &mut Vec::new()) {
        Ok(sorted) => {
            let kinds: Vec<_> = sorted.manifests.iter().map(|one| one.head.kind.as_str()).collect();
            let keys: Vec<_> = kinds.iter().map(|kind| masthead_chart::kinds::install_order(kind)).collect();
            if keys.is_sorted() { Ok(()) } else { Err(format!("not in order: {kinds:?}")) }
        }
        Err((path, words)) if path == "c/templates/a.yaml" && words.starts_with("YAML parse error on ") => Ok(()),
        Err(other) => Err(format!("odd words: {other:?}")),
    }
}
