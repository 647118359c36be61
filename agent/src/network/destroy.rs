//! Removes everything an instance made on this machine, and nothing else.

use std::path::Path;

use nlink::netlink::{Connection, Route};

use crate::network::error::{IoContext, Result};
use crate::network::host;
use crate::network::kernel;
use crate::network::local_address;
use crate::network::names::Names;
use crate::network::netns;
use crate::network::observe;
use crate::network::records::{self, Records};
use crate::network::routes::{self, plan::Wanted};
use crate::network::rules;

/// Removes links, namespaces, addresses, rules and files of the instance in `data_dir`, and puts the
/// kernel's settings back. May be repeated; an instance that is still running must be stopped first.
pub async fn destroy(data_dir: &Path) -> Result<()> {
    let home = records::home(data_dir);
    let names = Names::of(&home);
    let records = Records::at(&home);
    let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
    for link in observe::links(&host, &names).await? {
        kernel::remove_link(&host, link.index).await?;
    }
    for uid in records.pins()? {
        netns::unpin(&records.pin(&uid))?;
    }
    match remove_rules(&names).await {
        // Where there are no rules, none of ours are.
        Err(error) if error.is_unsupported() => {}
        done => done?,
    }
    if records.routes()? != Wanted::default() {
        routes::apply::bring(&host, &names, &Records::open(&home)?, &Wanted::default()).await?;
    }
    for ip in records.local_ips()? {
        local_address::take_away(&host, ip).await?;
    }
    host::undo(&host, &records.host()?).await?;
    records.clear()
}

async fn remove_rules(names: &Names) -> Result<()> {
    let nft = rules::apply::connect()?;
    rules::forward::remove(&nft, names).await?;
    for table in [names.policy_table(), names.services_table(), names.table()] {
        rules::apply::remove(&nft, &table).await?;
    }
    Ok(())
}
