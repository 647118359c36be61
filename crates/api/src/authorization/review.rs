//! The question whether one may do something, and its answer.

use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Whether who asks may do something.
    pub struct SelfSubjectAccessReview {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: SelfSubjectAccessReviewSpec = "spec", 2, [];
        status: SubjectAccessReviewStatus = "status", 3, [omitempty];
    }

    /// What is asked: one of the two.
    pub struct SelfSubjectAccessReviewSpec {
        resource_attributes: Option<ResourceAttributes> = "resourceAttributes", 1, [omitempty];
        non_resource_attributes: Option<NonResourceAttributes> = "nonResourceAttributes", 2, [omitempty];
    }

    /// Something that is done with a resource.
    pub struct ResourceAttributes {
        namespace: String = "namespace", 1, [omitempty];
        verb: String = "verb", 2, [omitempty];
        group: String = "group", 3, [omitempty];
        version: String = "version", 4, [omitempty];
        resource: String = "resource", 5, [omitempty];
        subresource: String = "subresource", 6, [omitempty];
        name: String = "name", 7, [omitempty];
    }

    /// Something that is done with a path.
    pub struct NonResourceAttributes {
        path: String = "path", 1, [omitempty];
        verb: String = "verb", 2, [omitempty];
    }

    /// The answer.
    pub struct SubjectAccessReviewStatus {
        allowed: bool = "allowed", 1, [];
        denied: bool = "denied", 4, [omitempty];
        reason: String = "reason", 2, [omitempty];
        evaluation_error: String = "evaluationError", 3, [omitempty];
    }
}
