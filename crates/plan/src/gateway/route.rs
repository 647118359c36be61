//! Routes of both kinds as one: their metadata, parents, hosts and status.

use std::sync::Arc;

use masthead_api::gateway::GROUP;
use masthead_api::gateway::gateway::Gateway;
use masthead_api::gateway::grpc_route::GRPCRoute;
use masthead_api::gateway::http_route::HTTPRoute;
use masthead_api::gateway::resolved::{GRPC_ROUTE, HTTP_ROUTE};
use masthead_api::gateway::route::{ParentReference, RouteStatus};
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::object_meta::ObjectMeta;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;

/// A route.
#[derive(Clone, Debug)]
pub enum Route {
    /// Of HTTP.
    Http(Arc<HTTPRoute>),
    /// Of gRPC.
    Grpc(Arc<GRPCRoute>),
}

impl Route {
    /// The route that an object is; nothing when it is of another kind.
    ///
    /// # Errors
    /// The object does not decode.
    pub fn of(object: &Object) -> Result<Option<Route>, Error> {
        if object.kind() == HTTPRoute::KIND {
            return Ok(Some(Route::Http(object.typed::<HTTPRoute>()?)));
        }
        if object.kind() == GRPCRoute::KIND {
            return Ok(Some(Route::Grpc(object.typed::<GRPCRoute>()?)));
        }
        Ok(None)
    }

    /// `HTTPRoute` or `GRPCRoute`.
    pub fn kind(&self) -> &'static str {
        match self {
            Route::Http(_) => HTTP_ROUTE,
            Route::Grpc(_) => GRPC_ROUTE,
        }
    }

    /// Its key.
    pub fn key(&self) -> ObjectKey {
        let kind = match self {
            Route::Http(_) => HTTPRoute::KIND,
            Route::Grpc(_) => GRPCRoute::KIND,
        };
        ObjectKey::new(kind, self.meta().namespace.as_str(), self.meta().name.as_str())
    }

    /// Its metadata.
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Route::Http(route) => &route.metadata,
            Route::Grpc(route) => &route.metadata,
        }
    }

    /// The gateways that it wants to be attached to.
    pub fn parents(&self) -> &[ParentReference] {
        match self {
            Route::Http(route) => &route.spec.parent_refs,
            Route::Grpc(route) => &route.spec.parent_refs,
        }
    }

    /// Its hosts; none is every host.
    pub fn hostnames(&self) -> &[String] {
        match self {
            Route::Http(route) => &route.spec.hostnames,
            Route::Grpc(route) => &route.spec.hostnames,
        }
    }

    /// Its status.
    pub fn status(&self) -> Option<&RouteStatus> {
        match self {
            Route::Http(route) => route.status.as_ref(),
            Route::Grpc(route) => route.status.as_ref(),
        }
    }

    /// The gateway that a parent names; nothing when it names something else.
    pub fn gateway_key(&self, parent: &ParentReference) -> Option<ObjectKey> {
        let namespace = parent.namespace.as_ref().unwrap_or(&self.meta().namespace);
        is_gateway(parent).then(|| ObjectKey::new(Gateway::KIND, namespace.as_str(), parent.name.as_str()))
    }

    /// Its parents that are this gateway.
    pub fn parents_at<'a>(&'a self, gateway: &'a ObjectKey) -> impl Iterator<Item = &'a ParentReference> {
        let names = move |parent: &&ParentReference| {
            let namespace = parent.namespace.as_ref().unwrap_or(&self.meta().namespace);
            is_gateway(parent) && parent.name == gateway.name && *namespace == gateway.namespace
        };
        self.parents().iter().filter(names)
    }
}

fn is_gateway(parent: &ParentReference) -> bool {
    parent.group.as_deref().is_none_or(|group| group == GROUP)
        && parent.kind.as_deref().is_none_or(|kind| kind == "Gateway")
}

/// All routes, those of HTTP first.
pub fn all(cluster: &Cluster) -> impl Iterator<Item = Route> {
    let http = cluster.list_all::<HTTPRoute>().map(Route::Http);
    http.chain(cluster.list_all::<GRPCRoute>().map(Route::Grpc))
}

/// The routes that name a gateway as a parent and are not on their way out.
pub fn at_gateway(cluster: &Cluster, gateway: &ObjectKey) -> Vec<Route> {
    let is_here =
        |route: &Route| route.meta().deletion_timestamp.is_none() && route.parents_at(gateway).next().is_some();
    all(cluster).filter(is_here).collect()
}
