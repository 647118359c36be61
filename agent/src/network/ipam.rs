//! Turns what is taken into the next free address of each CIDR, going round before reusing one.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use crate::network::cidr::Cidr;
use crate::network::error::{Error, Result};

/// Addresses that rest after they were given back, so that late packets for a pod find nobody.
const RESTING: usize = 64;

/// The addresses of a node's pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipam {
    ranges: Vec<Range>,
    taken: BTreeSet<IpAddr>,
    /// Given back last, the oldest first: given out again only when nothing else is free.
    resting: VecDeque<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    cidr: Cidr,
    /// Index at which the next search begins.
    next: u128,
}

impl Ipam {
    /// The CIDRs pods get their addresses from, one address of each.
    pub fn cidrs(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.ranges.iter().map(|r| r.cidr)
    }

    /// Changes the CIDRs; what is taken stays taken, a CIDR that stays goes on where it was.
    pub fn set_cidrs(&mut self, cidrs: &[Cidr]) {
        let next = |c: &Cidr| self.ranges.iter().find(|r| r.cidr == *c).map_or(0, |r| r.next);
        self.ranges = cidrs.iter().map(|c| Range { cidr: *c, next: next(c) }).collect();
    }

    /// Where the search of each CIDR goes on, for the next life of the agent.
    #[must_use]
    pub fn cursors(&self) -> Vec<IpAddr> {
        self.ranges.iter().map(|r| r.cidr.pod(r.next % r.cidr.pods())).collect()
    }

    /// Goes on where an earlier life stopped; addresses of no CIDR are ignored.
    pub fn resume(&mut self, cursors: &[IpAddr]) {
        for range in &mut self.ranges {
            if let Some(at) = cursors.iter().find_map(|ip| range.cidr.index(*ip)) {
                range.next = at;
            }
        }
    }

    /// Marks addresses as taken, whether or not they are of a current CIDR.
    pub fn take(&mut self, ips: &[IpAddr]) {
        self.taken.extend(ips);
        self.resting.retain(|ip| !ips.contains(ip));
    }

    /// Gives addresses back; they come again when the round has passed all others.
    pub fn release(&mut self, ips: &[IpAddr]) {
        for ip in ips {
            if self.taken.remove(ip) {
                self.resting.push_back(*ip);
            }
        }
        while self.resting.len() > RESTING {
            self.resting.pop_front();
        }
    }

    /// Takes one free address of each CIDR, or none at all.
    pub fn allocate(&mut self) -> Result<Vec<IpAddr>> {
        if self.ranges.is_empty() {
            return Err(Error::NoCidr);
        }
        let mut found = Vec::with_capacity(self.ranges.len());
        for range in &self.ranges {
            let index =
                range.free(&self.taken, &self.resting).ok_or_else(|| Error::Exhausted(range.cidr.to_string()))?;
            found.push(index);
        }
        let mut ips = Vec::with_capacity(found.len());
        for (range, index) in self.ranges.iter_mut().zip(found) {
            range.next = (index + 1) % range.cidr.pods();
            ips.push(range.cidr.pod(index));
        }
        self.take(&ips);
        Ok(ips)
    }
}

impl Range {
    /// The first free index from `next` on, round to just before it; a resting one only if there is no other.
    fn free(&self, taken: &BTreeSet<IpAddr>, resting: &VecDeque<IpAddr>) -> Option<u128> {
        let pods = self.cidr.pods();
        // Among one more candidate than there are taken and resting addresses, one is neither.
        let tries = pods.min((taken.len() + resting.len()) as u128 + 1);
        let start = self.next % pods;
        let candidates = (0..tries).map(|i| start.checked_add(i).map_or(i, |at| at % pods));
        let free = candidates.filter(|index| !taken.contains(&self.cidr.pod(*index)));
        let mut fresh = free.filter(|index| !resting.contains(&self.cidr.pod(*index)));
        // None but resting ones: whoever has rested longest.
        fresh.next().or_else(|| resting.iter().find_map(|ip| self.cidr.index(*ip)))
    }
}

#[cfg(test)]
#[path = "ipam_tests.rs"]
mod tests;
