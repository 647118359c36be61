//! Leads pods' packets through firewalls of others that drop what they forward by default.
//!
//! Every base chain on the forward hook has a say, and one drop is final. So where a chain's policy is
//! to drop (Docker's, a host firewall's), two accepts for this instance's links go to its head, marked
//! by a comment, and are found by it again.

use nlink::netlink::nftables::{ChainInfo, ChainType, Family, RawMessage, RuleInfo};
use nlink::netlink::{Connection, MessageBuilder, Nftables};

use crate::network::error::{IoContext, Result};
use crate::network::names::Names;

/// `NF_INET_FORWARD`.
const HOOK_FORWARD: u32 = 2;
/// `NF_DROP`, as a policy.
const POLICY_DROP: u32 = 0;
/// `NFT_MSG_NEWRULE`.
const NEW_RULE: u8 = 6;
/// `NLM_F_CREATE`; without `NLM_F_APPEND` the rule goes to the chain's head.
const CREATE: u16 = 0x400;
/// `NFT_META_IIFNAME`.
const META_IIFNAME: u32 = 6;
/// `NFT_META_OIFNAME`.
const META_OIFNAME: u32 = 7;
/// Bytes of a netlink header and of nfnetlink's behind it.
const HEADER_BYTES: usize = 16;

/// Puts the accepts into each dropping chain that lacks them.
pub async fn ensure(conn: &Connection<Nftables>, names: &Names) -> Result<()> {
    for chain in chains(conn, names).await? {
        if chain.policy != Some(POLICY_DROP) || !ours(conn, &chain, names).await?.is_empty() {
            continue;
        }
        let mut batch = conn.transaction();
        for key in [META_IIFNAME, META_OIFNAME] {
            batch = batch.raw(accept(&chain, names, key));
        }
        let what = || format!("let pods through chain {} of table {}", chain.name, chain.table);
        batch.commit(conn).await.doing(what)?;
    }
    Ok(())
}

/// Takes exactly those accepts out again.
pub async fn remove(conn: &Connection<Nftables>, names: &Names) -> Result<()> {
    for chain in chains(conn, names).await? {
        for rule in ours(conn, &chain, names).await? {
            let gone = conn.del_rule_if_exists(&rule.table, &rule.chain, rule.family, rule.handle).await;
            gone.map(drop).doing(|| format!("take our rule out of chain {}", chain.name))?;
        }
    }
    Ok(())
}

/// Others' base chains that filter what is forwarded.
async fn chains(conn: &Connection<Nftables>, names: &Names) -> Result<Vec<ChainInfo>> {
    let all = conn.list_chains().await.doing(|| "list the nftables chains".to_owned())?;
    let concerns = |c: &ChainInfo| {
        c.hook == Some(HOOK_FORWARD)
            && c.chain_type == Some(ChainType::Filter)
            && matches!(c.family, Family::Ip | Family::Ip6 | Family::Inet)
            && c.table != names.table()
    };
    Ok(all.into_iter().filter(concerns).collect())
}

async fn ours(conn: &Connection<Nftables>, chain: &ChainInfo, names: &Names) -> Result<Vec<RuleInfo>> {
    let rules = conn.list_rules(&chain.table, chain.family).await;
    let rules = rules.doing(|| format!("list the rules of table {}", chain.table))?;
    let comment = names.comment();
    Ok(rules.into_iter().filter(|r| r.chain == chain.name && r.comment_text.as_deref() == Some(&comment)).collect())
}

/// `iifname "prefix*" counter accept`, in the very shape that `iptables-nft` makes and lists.
fn accept(chain: &ChainInfo, names: &Names, key: u32) -> RawMessage {
    let mut m = MessageBuilder::new(0, 0);
    m.append_attr_str(1, &chain.table);
    m.append_attr_str(2, &chain.name);
    let list = m.nest_start(4);
    expression(&mut m, "meta", |m| {
        m.append_attr_u32_be(2, key);
        m.append_attr_u32_be(1, 1);
    });
    expression(&mut m, "cmp", |m| {
        m.append_attr_u32_be(1, 1);
        m.append_attr_u32_be(2, 0);
        let data = m.nest_start(3);
        m.append_attr(1, names.link_prefix().as_bytes());
        m.nest_end(data);
    });
    expression(&mut m, "counter", |_| {});
    expression(&mut m, "immediate", |m| {
        m.append_attr_u32_be(1, 0);
        let data = m.nest_start(2);
        let verdict = m.nest_start(2);
        m.append_attr_u32_be(1, 1);
        m.nest_end(verdict);
        m.nest_end(data);
    });
    m.nest_end(list);
    m.append_attr(7, &comment(&names.comment()));
    RawMessage::new(NEW_RULE, chain.family).flags(CREATE).attrs(m.as_bytes()[HEADER_BYTES..].to_vec())
}

fn expression(m: &mut MessageBuilder, name: &str, data: impl FnOnce(&mut MessageBuilder)) {
    let element = m.nest_start(1);
    m.append_attr_str(1, name);
    let nest = m.nest_start(2);
    data(m);
    m.nest_end(nest);
    m.nest_end(element);
}

/// A rule's comment as libnftnl keeps it: type 0, length, text with its end.
fn comment(text: &str) -> Vec<u8> {
    let mut bytes = vec![0, u8::try_from(text.len() + 1).unwrap_or(u8::MAX)];
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes
}
