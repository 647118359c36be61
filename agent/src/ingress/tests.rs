//! Tests of the Ingress without sockets.
