//! The charts of one render: Helm changes its charts while it puts values together; here the copies are changed.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use masthead_gotmpl::map::Map;

use crate::chart::Chart;
use crate::deep_copy::deep_copy;
use crate::metadata::Dependency;

/// A chart in its place, shared as Helm shares its pointers.
pub(crate) type Shared = Rc<RefCell<Instance>>;

/// What Helm changes in a chart. Everything else is read from `chart`.
#[derive(Clone)]
pub(crate) struct Instance {
    pub chart: Arc<Chart>,
    /// The name it goes by: its own or an alias.
    pub name: String,
    /// The dependencies of Chart.yaml; none for Go's nil.
    pub wanted: Option<Vec<Rc<RefCell<Dependency>>>>,
    pub parent: Option<Weak<RefCell<Instance>>>,
    pub dependencies: Vec<Shared>,
    /// The charts of which `dependencies` holds copies: what is below them still has them for a parent.
    pub originals: Vec<Shared>,
    /// Its values once others were imported into them.
    pub values: Option<Map>,
}

impl Instance {
    /// The charts as they were loaded.
    pub fn tree(chart: &Arc<Chart>) -> Shared {
        let wanted = chart.metadata.dependencies.as_ref();
        let wanted =
            wanted.map(|list| list.iter().flatten().map(|entry| Rc::new(RefCell::new(entry.clone()))).collect());
        let instance = Rc::new(RefCell::new(Instance {
            chart: Arc::clone(chart),
            name: chart.name().to_owned(),
            wanted,
            parent: None,
            dependencies: Vec::new(),
            originals: Vec::new(),
            values: None,
        }));
        adopt(&instance, chart.dependencies.iter().map(Instance::tree).collect());
        instance
    }

    /// A fresh copy of its values, to be changed: the charts' own, or what imports made of them.
    pub fn own_values(&self) -> Map {
        match (&self.values, &self.chart.values) {
            (Some(values), _) => deep_copy(values),
            (None, Some(table)) => table.to_map(),
            (None, None) => Map::any(),
        }
    }

    /// Is it at the top?
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// The chart's path: names with `/charts/` between them.
    pub fn full_path(&self) -> String {
        match self.parent.as_ref().and_then(Weak::upgrade) {
            Some(parent) => format!("{}/charts/{}", parent.borrow().full_path(), self.name),
            None => self.name.clone(),
        }
    }
}

/// Helm's `SetDependencies`: the charts get a new parent.
pub(crate) fn adopt(parent: &Shared, charts: Vec<Shared>) {
    for chart in &charts {
        chart.borrow_mut().parent = Some(Rc::downgrade(parent));
    }
    parent.borrow_mut().dependencies = charts;
}
