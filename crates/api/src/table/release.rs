//! Releases of charts to the rows that `get` prints.

use serde_json::Value;

use crate::meta::time::Time;
use crate::release::release::Release;
use crate::table::column::{AGE, Column, NAME, Printed, column};
use crate::table::objects::age;

impl Printed for Release {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Chart", "The chart's folder, or its repository and name."),
        column("Version", "The versions that are asked for."),
        column("Suspended", "Whether changes are held back."),
        AGE,
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let chart = &self.spec.chart;
        let place = match chart.path.as_str() {
            "" => format!("{}/{}", chart.repository.trim_end_matches('/'), chart.name),
            path => path.to_owned(),
        };
        let version = if chart.version.is_empty() { "<any>" } else { chart.version.as_str() };
        let version = if chart.path.is_empty() { version } else { "<none>" };
        let suspended = if self.spec.suspend { "True" } else { "False" };
        vec![
            self.metadata.name.as_str().into(),
            place.into(),
            version.into(),
            suspended.into(),
            age(&self.metadata, now),
        ]
    }
}
