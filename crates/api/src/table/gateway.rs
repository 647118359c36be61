//! Gateways, their classes, routes and grants to the rows that `get` prints.

use serde_json::Value;

use crate::gateway::class::GatewayClass;
use crate::gateway::gateway::Gateway;
use crate::gateway::grant::ReferenceGrant;
use crate::gateway::grpc_route::GRPCRoute;
use crate::gateway::http_route::HTTPRoute;
use crate::meta::condition::Condition;
use crate::meta::time::Time;
use crate::table::column::{AGE, Column, NAME, Printed, column, wide};
use crate::table::objects::age;

/// The status of a condition; an absent one has an empty cell.
fn status(conditions: &[Condition], type_: &str) -> Value {
    conditions.iter().find(|c| c.type_ == type_).map_or(Value::Null, |c| c.status.as_str().into())
}

/// Hosts as JSON, in which form columns of such kinds show a list; none have an empty cell.
fn hostnames(hostnames: &[String]) -> Value {
    if hostnames.is_empty() {
        return Value::Null;
    }
    Value::from(hostnames).to_string().into()
}

impl Printed for GatewayClass {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Controller", "Who serves its gateways."),
        column("Accepted", "Whether its controller takes it."),
        AGE,
        wide("Description", "What it is for."),
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        vec![
            self.metadata.name.as_str().into(),
            self.spec.controller_name.as_str().into(),
            status(&self.status.conditions, "Accepted"),
            age(&self.metadata, now),
            self.spec.description.as_deref().map_or(Value::Null, Value::from),
        ]
    }
}

impl Printed for Gateway {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Class", "Its class."),
        column("Address", "Where it is reached."),
        column("Programmed", "Whether it is served."),
        AGE,
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        // A column of such a kind shows the first of what its path finds.
        let address = self.status.addresses.first().map_or(Value::Null, |address| address.value.as_str().into());
        vec![
            self.metadata.name.as_str().into(),
            self.spec.gateway_class_name.as_str().into(),
            address,
            status(&self.status.conditions, "Programmed"),
            age(&self.metadata, now),
        ]
    }
}

impl Printed for HTTPRoute {
    const COLUMNS: &'static [Column] = &[NAME, column("Hostnames", "Hosts that it is for."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        vec![self.metadata.name.as_str().into(), hostnames(&self.spec.hostnames), age(&self.metadata, now)]
    }
}

impl Printed for GRPCRoute {
    const COLUMNS: &'static [Column] = &[NAME, column("Hostnames", "Hosts that it is for."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        vec![self.metadata.name.as_str().into(), hostnames(&self.spec.hostnames), age(&self.metadata, now)]
    }
}

impl Printed for ReferenceGrant {
    const COLUMNS: &'static [Column] = &[NAME, AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        vec![self.metadata.name.as_str().into(), age(&self.metadata, now)]
    }
}
