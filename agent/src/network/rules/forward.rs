//! Leads pods' packets through firewalls of others that drop what they forward by default.
//!
//! Every base chain on the forward hook has a say, and one drop is final. So where a chain's policy is to drop
//! (Docker's, a host firewall's), accepts go to its head, marked by comments, and are found by them again: for this
//! instance's links, and for the addresses of the cluster's pods, which pass between links that are not ours. Chains of
//! the old x_tables (`iptables-legacy`) are not seen by nftables, and not helped.

use std::net::IpAddr;

use nlink::netlink::nftables::{ChainInfo, ChainType, Family, RawMessage, RuleInfo};
use nlink::netlink::{Connection, MessageBuilder, Nftables};

use crate::network::cidr::Cidr;
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
/// `NFT_META_NFPROTO`.
const META_NFPROTO: u32 = 15;
/// Bytes of a netlink header and of nfnetlink's behind it.
const HEADER_BYTES: usize = 16;

/// What one of our rules accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accept {
    /// A link by its prefix; the value is the key of the link's name.
    Link(u32),
    /// Packets from these addresses.
    From(Cidr),
    /// Packets to these addresses.
    To(Cidr),
}

impl Accept {
    /// By it the rule is found again.
    fn comment(self, names: &Names) -> String {
        let own = names.comment();
        match self {
            Self::Link(META_IIFNAME) => format!("{own} in"),
            Self::Link(_) => format!("{own} out"),
            Self::From(cidr) => format!("{own} from {cidr}"),
            Self::To(cidr) => format!("{own} to {cidr}"),
        }
    }
}

/// What a chain of this family has to accept.
fn wanted(family: Family, cluster: &[Cidr]) -> Vec<Accept> {
    let fits = |cidr: &&Cidr| match family {
        Family::Ip => !cidr.is_v6(),
        Family::Ip6 => cidr.is_v6(),
        _ => true,
    };
    let ranges = cluster.iter().filter(fits).flat_map(|cidr| [Accept::From(*cidr), Accept::To(*cidr)]);
    [Accept::Link(META_IIFNAME), Accept::Link(META_OIFNAME)].into_iter().chain(ranges).collect()
}

/// Brings each dropping chain to the accepts it needs, in one step a chain.
pub async fn ensure(conn: &Connection<Nftables>, names: &Names) -> Result<()> {
    ensure_with(conn, names, &[]).await
}

/// The same, for the addresses of the cluster's pods as well.
pub async fn ensure_with(conn: &Connection<Nftables>, names: &Names, cluster: &[Cidr]) -> Result<()> {
    for chain in chains(conn, names).await? {
        if chain.policy != Some(POLICY_DROP) {
            continue;
        }
        let held = ours(conn, &chain, names).await?;
        let wanted = wanted(chain.family, cluster);
        let mut comments: Vec<String> = wanted.iter().map(|accept| accept.comment(names)).collect();
        let mut there: Vec<String> = held.iter().filter_map(|rule| rule.comment_text.clone()).collect();
        comments.sort();
        there.sort();
        if comments == there {
            continue;
        }
        let mut batch = conn.transaction();
        for rule in held {
            batch = batch.del_rule(&rule.table, &rule.chain, rule.family, rule.handle);
        }
        for accept in wanted {
            batch = batch.raw(rule(&chain, names, accept));
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
            && !names.is_own_table(&c.table)
    };
    Ok(all.into_iter().filter(concerns).collect())
}

async fn ours(conn: &Connection<Nftables>, chain: &ChainInfo, names: &Names) -> Result<Vec<RuleInfo>> {
    let rules = conn.list_rules(&chain.table, chain.family).await;
    let rules = rules.doing(|| format!("list the rules of table {}", chain.table))?;
    let comment = names.comment();
    let own = |r: &RuleInfo| r.comment_text.as_deref().is_some_and(|text| is_of(text, &comment));
    Ok(rules.into_iter().filter(|r| r.chain == chain.name && own(r)).collect())
}

/// Whether a comment is one of this instance's.
fn is_of(text: &str, own: &str) -> bool {
    text.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// `… counter accept`, in the very shape that `iptables-nft` makes and lists.
fn rule(chain: &ChainInfo, names: &Names, accept: Accept) -> RawMessage {
    let mut m = MessageBuilder::new(0, 0);
    m.append_attr_str(1, &chain.table);
    m.append_attr_str(2, &chain.name);
    let list = m.nest_start(4);
    match accept {
        Accept::Link(key) => {
            load_meta(&mut m, key);
            compare(&mut m, names.link_prefix().as_bytes());
        }
        Accept::From(cidr) => addresses(&mut m, chain.family, cidr, if cidr.is_v6() { 8 } else { 12 }),
        Accept::To(cidr) => addresses(&mut m, chain.family, cidr, if cidr.is_v6() { 24 } else { 16 }),
    }
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
    m.append_attr(7, &comment(&accept.comment(names)));
    RawMessage::new(NEW_RULE, chain.family).flags(CREATE).attrs(m.as_bytes()[HEADER_BYTES..].to_vec())
}

fn load_meta(m: &mut MessageBuilder, key: u32) {
    expression(m, "meta", |m| {
        m.append_attr_u32_be(2, key);
        m.append_attr_u32_be(1, 1);
    });
}

fn compare(m: &mut MessageBuilder, value: &[u8]) {
    expression(m, "cmp", |m| {
        m.append_attr_u32_be(1, 1);
        m.append_attr_u32_be(2, 0);
        data(m, 3, value);
    });
}

/// The address at `offset` of the IP header is in `cidr`.
fn addresses(m: &mut MessageBuilder, family: Family, cidr: Cidr, offset: u32) {
    let base = match cidr.base() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    if family == Family::Inet {
        load_meta(m, META_NFPROTO);
        compare(m, &[if cidr.is_v6() { 10 } else { 2 }]);
    }
    let len = u32::try_from(base.len()).unwrap_or(16);
    expression(m, "payload", |m| {
        m.append_attr_u32_be(1, 1);
        // The network header.
        m.append_attr_u32_be(2, 1);
        m.append_attr_u32_be(3, offset);
        m.append_attr_u32_be(4, len);
    });
    let mask: Vec<u8> = (0..base.len())
        .map(|byte| {
            let bits = usize::from(cidr.bits()).saturating_sub(byte * 8).min(8);
            u8::try_from(0xff00_u32 >> bits & 0xff).unwrap_or(0xff)
        })
        .collect();
    expression(m, "bitwise", |m| {
        m.append_attr_u32_be(1, 1);
        m.append_attr_u32_be(2, 1);
        m.append_attr_u32_be(3, len);
        data(m, 4, &mask);
        data(m, 5, &vec![0; mask.len()]);
    });
    compare(m, &base);
}

/// A nested value.
fn data(m: &mut MessageBuilder, kind: u16, value: &[u8]) {
    let nest = m.nest_start(kind);
    m.append_attr(1, value);
    m.nest_end(nest);
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
