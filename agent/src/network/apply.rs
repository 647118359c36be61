//! Carries out the steps to a pod's place and away from it, each of which may be repeated.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nlink::netlink::{Connection, Route};

use crate::network::error::{Error, IoContext, Result};
use crate::network::kernel::{self, Ends};
use crate::network::names::Names;
use crate::network::netns;
use crate::network::plan::Step;
use crate::network::pool::Pool;
use crate::network::records::{PodRecord, Records};

/// Asked before each step; true abandons the call there, as a crash would.
pub type Interrupt = Arc<dyn Fn(&Step) -> bool + Send + Sync>;

/// What the steps are carried out with.
pub struct Tools<'a> {
    /// The kernel's side of the node.
    pub host: &'a Connection<Route>,
    /// This instance's names.
    pub names: &'a Names,
    /// This instance's files.
    pub records: &'a Records,
    /// Where places come from.
    pub pool: &'a Pool,
    /// What the node sends to pods from.
    pub node_ips: &'a [IpAddr],
    /// For tests.
    pub interrupt: Option<&'a Interrupt>,
}

/// The steps of a detach, on a thread that may wait for the kernel.
pub fn leave(uid: &str, records: &Records, steps: &[Step], interrupt: Option<&Interrupt>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.doing(|| "start a runtime to detach a pod".to_owned())?;
    runtime.block_on(async {
        let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
        for step in steps {
            if interrupt.is_some_and(|stop| stop(step)) {
                return Err(Error::Interrupted(format!("{step:?} of pod {uid}")));
            }
            depart(&host, uid, records, step).await?;
        }
        Ok(())
    })
}

/// One step away from a pod's place.
async fn depart(host: &Connection<Route>, uid: &str, records: &Records, step: &Step) -> Result<()> {
    match step {
        Step::RemoveLink { index, .. } => kernel::remove_link(host, *index).await,
        Step::Unpin => netns::unpin(&records.pin(uid)),
        Step::Forget => records.forget_pod(uid),
        other => Err(Error::Misplaced(format!("{other:?}"))),
    }
}

/// A pod's link while its steps run.
#[derive(Default)]
struct Work {
    ns: Option<OwnedFd>,
    ends: Option<Ends>,
    /// Whether these steps made the link.
    fresh: bool,
}

impl Tools<'_> {
    /// All of a pod's steps. A link that failed steps made is removed again.
    pub async fn run(&self, uid: &str, record: &PodRecord, steps: &[Step]) -> Result<()> {
        let mut work = Work::default();
        for step in steps {
            if self.interrupt.is_some_and(|stop| stop(step)) {
                return Err(Error::Interrupted(format!("{step:?} of pod {uid}")));
            }
            if let Err(error) = self.step(uid, record, step, &mut work).await {
                if let (true, Some(ends)) = (work.fresh, &work.ends) {
                    kernel::remove_link(self.host, ends.host_index).await?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn step(&self, uid: &str, record: &PodRecord, step: &Step, work: &mut Work) -> Result<()> {
        let pin = self.records.pin(uid);
        match step {
            Step::Record => self.records.keep_pod(uid, record),
            Step::Place => {
                let place = self.pool.take(self.host).await?;
                work.fresh = true;
                work.ends = Some(place.ends()?);
                work.ns = Some(place.ns);
                Ok(())
            }
            Step::Pin => netns::pin(work.ns.as_ref().ok_or_else(|| Error::Misplaced("Pin".to_owned()))?, &pin),
            Step::Link => {
                let ns = netns::open(&pin)?;
                work.fresh = true;
                work.ends = Some(self.pool.maker().link(self.host, &ns, &record.interface).await?);
                Ok(())
            }
            Step::Find => {
                let ns = netns::open(&pin)?;
                work.ends = Some(kernel::find_ends(self.host, &ns, &record.interface).await?);
                Ok(())
            }
            Step::PodEnd => kernel::address_pod(work.ends()?, &record.ips).await,
            Step::HostEnd => {
                let index = work.ends()?.host_index;
                kernel::name_host_end(self.host, index, &record.interface, &self.names.alias(uid)).await
            }
            Step::Reach => kernel::route_pod(self.host, work.ends()?, &record.ips, self.node_ips).await,
            Step::RemoveLink { .. } | Step::Unpin | Step::Forget => depart(self.host, uid, self.records, step).await,
        }
    }
}

impl Work {
    fn ends(&self) -> Result<&Ends> {
        self.ends.as_ref().ok_or_else(|| Error::Misplaced("a step that needs a link".to_owned()))
    }
}
