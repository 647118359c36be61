//! What all pods of a node share: its runtime, images, network, places on the disk, and who is told.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use masthead_api::core::pod::Pod;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::report::{PodGone, PodStatus};
use tokio::sync::{Semaphore, watch};

use crate::images::store::ImageStore;
use crate::link::handle::Handle;
use crate::network::contract::PodNetwork;
use crate::node::addresses;
use crate::pods::clock::Clock;
use crate::pods::convert::context::Placed;
use crate::pods::convert::sandbox::Site;
use crate::pods::links;
use crate::runtime::contract::Runtime;
use crate::runtime::images::Images;
use crate::runtime::v1;

/// Is told what pods become.
pub trait Reporter: Send + Sync + 'static {
    /// The newest status of a pod.
    fn status(&self, status: PodStatus);
    /// A deleted pod's last trace is gone.
    fn gone(&self, gone: PodGone);
    /// A Kubernetes Event as JSON.
    fn event(&self, event: Bytes);
}

impl Reporter for Handle {
    fn status(&self, status: PodStatus) {
        let uid = status.uid.clone();
        if !self.report_status(status) {
            tracing::error!(%uid, "more pods than the link reports; a status is left out");
        }
    }

    fn gone(&self, gone: PodGone) {
        self.report_gone(gone);
    }

    fn event(&self, event: Bytes) {
        self.report_events([event]);
    }
}

/// Places on the disk.
#[derive(Clone, Debug)]
pub struct Dirs {
    /// A directory per pod: volumes, hosts file, termination messages, last status.
    pub pods: PathBuf,
    /// A directory per pod with a directory per container.
    pub logs: PathBuf,
}

impl Dirs {
    /// A pod's own directory.
    pub fn pod(&self, uid: &str) -> PathBuf {
        self.pods.join(safe(uid))
    }

    /// The directory of a pod's logs, named as the kubelet does.
    pub fn logs_of(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.logs.join(format!("{}_{}_{}", safe(namespace), safe(name), safe(uid)))
    }
}

/// Names come validated; one that could leave its directory all the same can't.
pub fn safe(name: &str) -> String {
    let name: String = name.chars().map(|c| if c == '/' || c == '\0' { '_' } else { c }).collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

/// Which images containers were made from, for the image store to keep.
#[derive(Debug, Default)]
pub struct ImagesInUse(Mutex<Users>);

#[derive(Debug, Default)]
struct Users {
    /// Images that containers are being made from, by pod and container.
    starts: HashMap<String, String>,
    /// Images of containers, by their ids.
    containers: HashMap<String, String>,
}

impl ImagesInUse {
    fn users(&self) -> MutexGuard<'_, Users> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A container is to be made from an image.
    pub fn begin(&self, start: &str, image_id: &str) {
        self.users().starts.insert(start.to_owned(), image_id.to_owned());
    }

    /// The start is over; the container that it has made, if any, uses the image from now on.
    pub fn end(&self, start: &str, container: Option<&str>) {
        let mut users = self.users();
        if let (Some(image_id), Some(container)) = (users.starts.remove(start), container) {
            users.containers.insert(container.to_owned(), image_id);
        }
    }

    /// A container is gone.
    pub fn release(&self, container: &str) {
        self.users().containers.remove(container);
    }

    /// The containers that are known to use images.
    pub fn containers(&self) -> HashSet<String> {
        self.users().containers.keys().cloned().collect()
    }

    /// Takes the runtime's list of containers, among them those that an earlier agent has made. `before` are those that were
    /// known when it was asked: what it does not list of them is gone.
    pub fn settle(&self, before: &HashSet<String>, listed: &[v1::Container]) {
        let named: HashSet<&str> = listed.iter().map(|container| container.id.as_str()).collect();
        let mut users = self.users();
        users.containers.retain(|id, _| named.contains(id.as_str()) || !before.contains(id));
        users.containers.extend(listed.iter().map(|container| (container.id.clone(), container.image_id.clone())));
    }

    /// Whether anything uses the image.
    pub fn contains(&self, image_id: &str) -> bool {
        let users = self.users();
        users.starts.values().chain(users.containers.values()).any(|held| held == image_id)
    }
}

/// What all workers share.
pub struct Shared {
    /// The node's name.
    pub node: String,
    /// Runs containers.
    pub runtime: Arc<dyn Runtime>,
    /// Its name, the scheme of container ids.
    pub runtime_name: String,
    /// Keeps images.
    pub images: Arc<dyn Images>,
    /// The embedded store, which knows which images have no registry.
    pub image_store: Option<ImageStore>,
    /// Gives addresses.
    pub network: Arc<dyn PodNetwork>,
    /// Is told.
    pub reporter: Arc<dyn Reporter>,
    /// The time.
    pub clock: Clock,
    /// Places.
    pub dirs: Dirs,
    /// DNS, domain, cgroup root; `log_directory` is filled in per pod.
    pub site: Site,
    /// Addresses of the node, of whatever family.
    pub host_ips: Vec<IpAddr>,
    /// Allocatable CPU in milli-cores.
    pub cpu_milli: i64,
    /// Allocatable memory in bytes.
    pub memory_bytes: i64,
    /// Sandboxes and containers that are made at a time: more than the cores can do only thrashes.
    pub slots: Semaphore,
    /// Pulls at a time.
    pub pulls: Semaphore,
    /// Images in use.
    pub in_use: Arc<ImagesInUse>,
    /// What the control plane said last, with the services of the cluster.
    pub manifest: watch::Receiver<Option<Arc<NodeManifest>>>,
}

impl Shared {
    /// Addresses of the node that pods of this cluster know it by, the primary one first.
    pub fn host_ips(&self) -> Vec<String> {
        let of_cluster = addresses::of_cluster(&self.host_ips, self.manifest.borrow().as_deref());
        of_cluster.iter().map(ToString::to_string).collect()
    }

    /// What is known of a pod's place.
    pub fn placed(&self, pod_ips: &[String]) -> Placed {
        Placed {
            pod_ips: pod_ips.to_vec(),
            host_ips: self.host_ips(),
            node_cpu_milli: self.cpu_milli,
            node_memory_bytes: self.memory_bytes,
            links: Vec::new(),
        }
    }

    /// What is known of a pod's place when one of its containers starts, services included unless it does not want them.
    pub fn placed_now(&self, pod: &Pod, pod_ips: &[String]) -> Placed {
        let mut placed = self.placed(pod_ips);
        if pod.spec.enable_service_links != Some(false)
            && let Some(manifest) = self.manifest.borrow().as_ref()
        {
            placed.links = links::variables(&pod.metadata.namespace, &manifest.content.attachments);
        }
        placed
    }

    /// The site of a pod.
    pub fn site_of(&self, pod: &Pod) -> Site {
        let meta = &pod.metadata;
        let logs = self.dirs.logs_of(&meta.namespace, &meta.name, &meta.uid);
        Site { log_directory: logs.to_string_lossy().into_owned(), ..self.site.clone() }
    }

    /// A pod's own directory.
    pub fn pod_dir(&self, pod: &Pod) -> PathBuf {
        self.dirs.pod(&pod.metadata.uid)
    }
}

/// The directory of a volume of a pod.
pub fn volume_dir(pod_dir: &Path, volume: &str) -> PathBuf {
    pod_dir.join("volumes").join(safe(volume))
}
