//! What only an etcd can be asked.
