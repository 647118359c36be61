//! Classes of gateways: which controller serves those that name it.

use crate::meta::condition::Condition;
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Who serves the gateways that name it.
    pub struct GatewayClass {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: GatewayClassSpec = "spec", 2, [];
        status: GatewayClassStatus = "status", 3, [omitempty];
    }

    /// The controller of a class, and an object with its settings.
    pub struct GatewayClassSpec {
        controller_name: String = "controllerName", 1, [];
        parameters_ref: Option<ParametersReference> = "parametersRef", 2, [omitempty];
        description: Option<String> = "description", 3, [omitempty];
    }

    /// An object with settings of a class.
    pub struct ParametersReference {
        group: String = "group", 1, [];
        kind: String = "kind", 2, [];
        name: String = "name", 3, [];
        namespace: Option<String> = "namespace", 4, [omitempty];
    }

    /// What its controller says of a class.
    pub struct GatewayClassStatus {
        conditions: Vec<Condition> = "conditions", 1, [omitempty, list_map(&["type"])];
        supported_features: Vec<SupportedFeature> = "supportedFeatures", 2, [omitempty, list_map(&["name"])];
    }

    /// A feature of the specification that the class has.
    pub struct SupportedFeature {
        name: String = "name", 1, [];
    }
}
