//! CRI v1 as Rust types: the messages of the contract, and the gRPC client and server.

#![expect(missing_docs, reason = "generated; the messages are CRI's and documented there")]
#![expect(clippy::all, reason = "generated")]

tonic::include_proto!("runtime.v1");
