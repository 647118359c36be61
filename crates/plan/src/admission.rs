//! A new pod → the pod with what the server's plugins fill in: tolerations of failing nodes, the priority, the service
//! account and its pull secrets. No token is mounted: this control plane gives out none.

use masthead_api::admit::admission;
use masthead_api::core::config::ServiceAccount;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::SERVICE_ACCOUNT;

use crate::cluster::view::Cluster;

/// Fills in a pod that is about to be made, whoever asks for it.
///
/// # Errors
/// Its priority class is none; in Kubernetes' words.
pub fn of_pod(cluster: &Cluster, pod: &mut Pod) -> Result<(), String> {
    let account = admission::service_account_name(&mut pod.spec).to_owned();
    let account = ObjectKey::new(SERVICE_ACCOUNT, pod.metadata.namespace.as_str(), account);
    if pod.spec.image_pull_secrets.is_empty()
        && let Some(account) = cluster.typed::<ServiceAccount>(&account)
    {
        pod.spec.image_pull_secrets.clone_from(&account.image_pull_secrets);
    }
    admission::default_tolerations(&mut pod.spec);
    admission::priority(&mut pod.spec, &[])
}
