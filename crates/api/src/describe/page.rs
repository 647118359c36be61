//! Fields, labels and annotations to the lines of a description.

use std::collections::BTreeMap;
use std::fmt;

use crate::describe::tabs::align;
use crate::meta::civil;
use crate::meta::object_meta::{ObjectMeta, OwnerReference};
use crate::meta::time::Time;
use crate::table::text::escaped;

/// Longer annotations get a line of their own and are cut (kubectl's limit).
const ANNOTATION_MAX: usize = 140;
/// The annotation in which `kubectl apply` keeps the manifest; it is not shown.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Lines under way; tabs part cells.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    /// Added to the level of whatever is written.
    pub nest: usize,
}

impl Page {
    /// Adds text, two spaces a level before it; line breaks are the caller's.
    pub fn put(&mut self, level: usize, args: fmt::Arguments) {
        self.text.extend(std::iter::repeat_n("  ", level + self.nest));
        // Writing to a string cannot fail.
        let _ = fmt::Write::write_fmt(&mut self.text, args);
    }

    /// A label, a tab, a value and a line break.
    pub fn field(&mut self, level: usize, label: &str, value: impl fmt::Display) {
        self.put(level, format_args!("{label}:\t{value}\n"));
    }

    /// Name and, for objects in namespaces, namespace.
    pub fn name(&mut self, meta: &ObjectMeta) {
        self.field(0, "Name", &meta.name);
        self.field(0, "Namespace", &meta.namespace);
    }

    /// Labels, one a line.
    pub fn labels(&mut self, title: &str, labels: &BTreeMap<String, String>) {
        self.put(0, format_args!("{title}:\t"));
        if labels.is_empty() {
            return self.put(0, format_args!("<none>\n"));
        }
        for (i, (key, value)) in labels.iter().enumerate() {
            if i > 0 {
                // kubectl writes the empty indent and the tab apart, which shows where lines are nested.
                self.put(0, format_args!(""));
                self.put(0, format_args!("\t"));
            }
            self.put(0, format_args!("{key}={value}\n"));
        }
    }

    /// Annotations, one a line; long ones and ones of several lines below their key.
    pub fn annotations(&mut self, title: &str, annotations: &BTreeMap<String, String>) {
        self.put(0, format_args!("{title}:\t"));
        let shown: Vec<_> = annotations.iter().filter(|(key, _)| *key != LAST_APPLIED).collect();
        if shown.is_empty() {
            return self.put(0, format_args!("<none>\n"));
        }
        for (i, (key, value)) in shown.into_iter().enumerate() {
            if i > 0 {
                self.put(0, format_args!("\t"));
            }
            let value = value.strip_suffix('\n').unwrap_or(value);
            if value.len() + key.len() + 2 <= ANNOTATION_MAX && !value.contains('\n') {
                self.put(0, format_args!("{key}: {value}\n"));
                continue;
            }
            self.put(0, format_args!("{key}:\n"));
            for line in value.split('\n') {
                self.put(0, format_args!("\t  {}\n", shortened(line, ANNOTATION_MAX - 2)));
            }
        }
    }

    /// Attributes of a volume, at the level of its fields.
    pub fn attributes(&mut self, title: &str, attributes: &BTreeMap<String, String>) {
        self.put(2, format_args!("{title}:\t"));
        if attributes.is_empty() {
            return self.put(0, format_args!("<none>\n"));
        }
        for (i, (key, value)) in attributes.iter().enumerate() {
            if i > 0 {
                self.put(2, format_args!(""));
                self.put(2, format_args!("\t"));
            }
            self.put(2, format_args!("{}\n", shortened(&format!("{key}={value}"), ANNOTATION_MAX)));
        }
    }

    /// A table of conditions with a reason.
    pub fn conditions<'a>(&mut self, conditions: impl Iterator<Item = [&'a str; 3]>) {
        let mut conditions = conditions.peekable();
        if conditions.peek().is_none() {
            return;
        }
        self.put(0, format_args!("Conditions:\n  Type\tStatus\tReason\n"));
        self.put(1, format_args!("----\t------\t------\n"));
        for [type_, status, reason] in conditions {
            self.put(1, format_args!("{type_} \t{status}\t{reason}\n"));
        }
    }

    /// The finished lines, laid out.
    pub fn finish(self) -> String {
        align(&escaped(&self.text))
    }
}

/// At most so many bytes, with dots where it was cut; never within a character.
fn shortened(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}...", &text[..end])
}

/// `Sat, 21 Nov 2026 08:38:00 +0000`; none is the first second of year 1, as in Go.
pub fn stamp(time: Option<Time>) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.map_or_else(|| civil::days_from_date(1, 1, 1) * 86_400, |time| time.0);
    let days = seconds.div_euclid(86_400);
    let (year, month, day) = civil::date_from_days(days);
    // Both indexes are within bounds: a remainder of 7, and a month of 1 to 12.
    let (weekday, month) = (DAYS[days.rem_euclid(7) as usize], MONTHS[(month - 1) as usize]);
    let rest = seconds.rem_euclid(86_400);
    format!("{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} +0000", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The owner that controls an object.
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().find(|owner| owner.controller == Some(true))
}

/// Text, or `<none>` for nothing.
pub fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

/// `True` or `False`.
pub fn truth(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

#[cfg(test)]
mod tests {
    use super::{Page, stamp};
    use crate::meta::time::Time;

    #[test]
    fn times_are_as_in_mail() {
        for (time, expect) in [
            (Some("1970-01-01T00:00:00Z"), "Thu, 01 Jan 1970 00:00:00 +0000"),
            (Some("2026-11-21T08:38:05Z"), "Sat, 21 Nov 2026 08:38:05 +0000"),
            (Some("2024-02-29T23:59:59Z"), "Thu, 29 Feb 2024 23:59:59 +0000"),
            (None, "Mon, 01 Jan 0001 00:00:00 +0000"),
        ] {
            assert_eq!(stamp(time.map(|t| Time::parse(t).unwrap())), expect);
        }
    }

    #[test]
    fn annotations_wrap_and_the_applied_manifest_is_hidden() {
        let mut page = Page::default();
        let long = "x".repeat(150);
        page.annotations(
            "Annotations",
            &[
                ("a", "1\n"),
                ("b", "two\nlines"),
                ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
                ("z", long.as_str()),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        );
        page.labels("Labels", &[("k".to_owned(), "v".to_owned()), ("l".to_owned(), String::new())].into());
        let expect = format!(
            "Annotations:  a: 1\n              b:\n                two\n                lines\n              z:\n                \
             {}...\nLabels:       k=v\n              l=\n",
            "x".repeat(138)
        );
        assert_eq!(page.finish(), expect);
    }
}
