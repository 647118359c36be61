//! Metadata of a list.

use crate::schema::object::object;

object! {
    /// Metadata of a list.
    pub struct ListMeta {
        self_link: String = "selfLink", 1, [omitempty];
        resource_version: String = "resourceVersion", 2, [omitempty];
        continue_: String = "continue", 3, [omitempty];
        remaining_item_count: Option<i64> = "remainingItemCount", 4, [omitempty];
        shard_info: Option<ShardInfo> = "shardInfo", 5, [omitempty];
    }

    /// Which part of a list this is.
    pub struct ShardInfo {
        selector: String = "selector", 1, [];
    }
}
