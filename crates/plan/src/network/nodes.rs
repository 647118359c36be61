//! A node's name, and the addresses that its pods had → the blocks of pod addresses that it gets.
//!
//! A block follows from a hash of the name, so that a cluster whose store was lost gives each node the block it had.
//! Where two names meet, the addresses of the pods that a node brings back decide.

use std::collections::BTreeSet;
use std::net::IpAddr;

use masthead_api::core::node::Node;

use crate::cluster::view::Cluster;
use crate::network::cidr::Cidr;
use crate::network::ranges::{Network, PodRange};
use crate::service::probe::probe;

/// Blocks that nodes have, with those given out since the view.
#[derive(Clone, Debug, Default)]
pub struct Blocks(BTreeSet<Cidr>);

impl Blocks {
    /// Those that the nodes of a view have.
    pub fn of(cluster: &Cluster) -> Blocks {
        let nodes = cluster.list::<Node>("");
        Blocks(nodes.flat_map(|node| node.spec.pod_cidrs.clone()).filter_map(|text| text.parse().ok()).collect())
    }

    /// One block of each range of the cluster for a node whose pods have, or had, these addresses; nothing when a range
    /// has none left.
    pub fn give(&mut self, network: &Network, name: &str, pods: &[IpAddr]) -> Option<Vec<Cidr>> {
        self.add(network, name, &[], pods).filter(|blocks| !blocks.is_empty())
    }

    /// What a node lacks: a block of each range of whose family it has none, for a cluster that was started with another
    /// range. `None` when a range has none left.
    pub fn add(&mut self, network: &Network, name: &str, held: &[String], pods: &[IpAddr]) -> Option<Vec<Cidr>> {
        let held: Vec<Cidr> = held.iter().filter_map(|text| text.parse().ok()).collect();
        let lacks = |range: &&PodRange| held.iter().all(|block| block.is_ipv4() != range.cidr.is_ipv4());
        let given: Vec<Cidr> =
            network.pods.iter().filter(lacks).map(|range| self.block(*range, name, pods)).collect::<Option<_>>()?;
        self.0.extend(&given);
        // Those of the network's order first; what is of no range of it any more goes.
        let of = |range: &PodRange| {
            let all = held.iter().chain(&given);
            all.copied().find(|block| block.is_ipv4() == range.cidr.is_ipv4())
        };
        Some(network.pods.iter().filter_map(of).collect())
    }

    fn block(&self, range: PodRange, name: &str, pods: &[IpAddr]) -> Option<Cidr> {
        let held = pods.iter().filter(|ip| range.cidr.contains(**ip)).filter_map(|ip| Cidr::of(*ip, range.node_bits));
        if let Some(block) = { held }.find(|block| self.is_free(*block)) {
            return Some(block);
        }
        let count = u64::try_from(range.cidr.blocks(range.node_bits)).unwrap_or(u64::MAX);
        let at = |index: u64| range.cidr.block(range.node_bits, u128::from(index));
        probe(&["node", name, range.cidr.family()], count, |index| at(index).is_some_and(|block| self.is_free(block)))
            .and_then(at)
    }

    /// Whether no node has any of its addresses; blocks of an earlier, other range may be larger or smaller.
    fn is_free(&self, block: Cidr) -> bool {
        !self.0.iter().any(|taken| taken.overlaps(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(order: &[(&str, &[IpAddr])]) -> Vec<(String, String)> {
        let mut blocks = Blocks::default();
        let network = Network::default();
        let mut given: Vec<(String, String)> = order
            .iter()
            .map(|(name, pods)| ((*name).to_owned(), blocks.give(&network, name, pods).unwrap()[0].to_string()))
            .collect();
        given.sort();
        given
    }

    #[test]
    fn the_order_in_which_nodes_come_matters_little() {
        let names = ["a", "b", "c", "d", "e"].map(|name| (name, [].as_slice()));
        let mut backwards = names;
        backwards.reverse();
        assert_eq!(give(&names), give(&backwards));
        let distinct: BTreeSet<String> = give(&names).into_iter().map(|(_, block)| block).collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn pods_that_a_node_brings_back_decide() {
        let pods = [IpAddr::from([10, 88, 77, 9]), [10, 88, 77, 10].into()];
        assert_eq!(give(&[("a", &pods)]), [("a".to_owned(), "10.88.77.0/24".to_owned())]);
        // Somebody else has it already.
        let given = give(&[("a", &pods), ("b", &pods)]);
        assert_ne!(given[0].1, given[1].1);
        // Addresses outside the range, as of pods on the node's network, say nothing.
        assert_eq!(give(&[("a", &[[192, 168, 0, 1].into()])]), give(&[("a", &[])]));
    }

    #[test]
    fn a_family_that_comes_gives_a_block_and_one_that_goes_takes_it() {
        let range = |text: &str| PodRange::new(text.parse().unwrap()).unwrap();
        let four = Network { pods: vec![range("10.88.0.0/16")], ..Network::default() };
        let both = Network { pods: vec![range("fd00:88::/56"), range("10.88.0.0/16")], ..Network::default() };
        let texts = |blocks: &[Cidr]| blocks.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut blocks = Blocks::default();
        let one = texts(&blocks.give(&four, "a", &[]).unwrap());
        assert_eq!(one.len(), 1);
        assert_eq!(texts(&blocks.add(&four, "a", &one, &[]).unwrap()), one, "nothing is lacking");
        let two = texts(&blocks.add(&both, "a", &one, &[]).unwrap());
        assert!(two[0].starts_with("fd00:88:") && two[0].ends_with("/64"), "{two:?}");
        assert_eq!(two[1..], one);
        let other = texts(&blocks.give(&both, "b", &[]).unwrap());
        assert!(other[0] != two[0] && other[1] != two[1]);
        assert_eq!(texts(&blocks.add(&four, "a", &two, &[]).unwrap()), one);
        let pods = ["fd00:88:0:42::9".parse().unwrap()];
        assert_eq!(texts(&blocks.give(&both, "c", &pods).unwrap())[0], "fd00:88:0:42::/64", "as its pods have it");
    }

    #[test]
    fn a_full_range_is_told() {
        let network =
            Network { pods: PodRange::new("10.0.0.0/23".parse().unwrap()).into_iter().collect(), ..Network::default() };
        let mut blocks = Blocks::default();
        assert!(blocks.give(&network, "a", &[]).is_some() && blocks.give(&network, "b", &[]).is_some());
        assert_eq!(blocks.give(&network, "c", &[]), None);
    }
}
