//! A chart and its values → what they may ask for besides, so that those who do not ask need no other render.
//!
//! Templates are read as text. To be wrong in some cases is only slow.

use masthead_chart::chart::Chart;

use crate::source::chart::Read;
use crate::source::releases::Values;

/// What a render may give another result by, with the same inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// What time it is.
    pub time: bool,
    /// Which change of the release it is: `.Release.Revision`, `IsInstall` and `IsUpgrade`.
    pub revision: bool,
}

impl Asks {
    fn and(self, other: Asks) -> Asks {
        Asks { time: self.time || other.time, revision: self.revision || other.revision }
    }

    fn has_all(self) -> bool {
        self.time && self.revision
    }
}

/// What a chart, the charts in it, and values that it may take for templates ask for.
pub fn of(chart: &Chart, texts: &[Read], inline: &[Values]) -> Asks {
    let mut asks = of_chart(chart);
    for read in texts {
        asks = asks.and(of_text(&read.text));
    }
    for values in inline {
        if let Values::Inline(value) = values {
            asks = asks.and(of_text(value.to_string().as_bytes()));
        }
    }
    asks
}

fn of_chart(chart: &Chart) -> Asks {
    let mut asks = Asks::default();
    // Values and other files may hold templates too, which `tpl` executes.
    for file in chart.raw.iter().filter(|file| !file.name.starts_with("charts/")) {
        asks = asks.and(of_text(file.data.as_bytes()));
        if asks.has_all() {
            return asks;
        }
    }
    chart.dependencies.iter().fold(asks, |asks, below| asks.and(of_chart(below)))
}

/// What the actions of a text ask for.
fn of_text(text: &[u8]) -> Asks {
    let mut asks = Asks::default();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"{{") {
        let action = &rest[at + 2..];
        let end = action.windows(2).position(|pair| pair == b"}}").unwrap_or(action.len());
        asks = asks.and(of_action(&action[..end]));
        if asks.has_all() {
            break;
        }
        rest = &action[end..];
    }
    asks
}

fn of_action(action: &[u8]) -> Asks {
    let mut asks = Asks::default();
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    while at < action.len() {
        let length = action[at..].iter().take_while(|byte| is_letter(byte)).count();
        let word = &action[at..at + length];
        asks.time |= matches!(word, b"now" | b"ago")
            || [&b"date"[..], b"htmlDate", b"gen"].iter().any(|known| word.starts_with(known));
        // The whole of it goes somewhere where another name may read it.
        let is_whole = word == b"Release" && action.get(at + length) != Some(&b'.');
        asks.revision |= is_whole || matches!(word, b"Revision" | b"IsInstall" | b"IsUpgrade");
        at += length + 1;
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_and_nothing_else() {
        let check = |text: &str, time: bool, revision: bool| {
            assert_eq!(of_text(text.as_bytes()), Asks { time, revision }, "{text}");
        };
        check("now Revision IsInstall", false, false);
        check("a: {{ .Release.Name }} now {{ .Release.Namespace }}", false, false);
        check("a: {{ now }}", true, false);
        check("a: {{ .Values.x | dateModify \"1h\" }}", true, false);
        check("a: {{ genCA \"x\" 1 }}", true, false);
        check("a: {{ .Values.nowhere }}", false, false);
        check("a: {{ .Release.Revision }}", false, true);
        check("{{- if and .Release.IsInstall .Values.x -}}", false, true);
        check("{{ .context.Release.IsUpgrade }}{{ now }}", true, true);
        check("{{ toYaml .Release }}", false, true);
        check("{{ get . \"Release\" }}", false, true);
        check("{{ .Release", false, true);
        check("{{ .Releases.Name }} {{ .Values.Revisions }}", false, false);
        check("{{", false, false);
    }
}
