//! A user as an image or a pod names it, into numbers by the container's own passwd and group files.

use std::collections::BTreeSet;

use crate::shim::error::{Error, Result};
use crate::shim::task::UserRequest;

/// Who a process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// The home directory; `/` for a number without an entry.
    pub home: String,
}

/// Looks `request` up in the texts of /etc/passwd and /etc/group; a number needs no entry.
pub fn resolve(passwd: &str, group: &str, request: &UserRequest) -> Result<Identity> {
    let user = if request.user.is_empty() { "0" } else { &request.user };
    let entry = find_user(passwd, user);
    let uid = match (&entry, user.parse()) {
        (Some(entry), _) => entry.uid,
        (None, Ok(uid)) => uid,
        (None, Err(_)) => {
            let text = format!("unable to find user {user}: no matching entries in passwd file");
            return Err(Error::Config(text));
        }
    };
    let gid = match request.group.as_str() {
        "" => entry.as_ref().map_or(0, |entry| entry.gid),
        name => find_group(group, name)?,
    };
    let mut groups: BTreeSet<u32> = request.supplemental.iter().copied().collect();
    groups.insert(gid);
    if let (Some(entry), false) = (&entry, request.strict) {
        groups.extend(groups_of(group, entry.name));
    }
    let home = entry.map(|entry| entry.home).filter(|home| !home.is_empty()).unwrap_or("/");
    Ok(Identity { uid, gid, groups: groups.into_iter().collect(), home: home.to_owned() })
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn find_user<'a>(passwd: &'a str, wanted: &str) -> Option<User<'a>> {
    let users = || {
        passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            let home = fields.nth(1).unwrap_or("");
            Some(User { name, uid, gid, home })
        })
    };
    users().find(|user| user.name == wanted).or_else(|| {
        let uid: u32 = wanted.parse().ok()?;
        users().find(|user| user.uid == uid)
    })
}

fn groups(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or("")))
    })
}

fn find_group(group: &str, wanted: &str) -> Result<u32> {
    groups(group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid).or_else(|| wanted.parse().ok()).ok_or_else(
        || {
            let text = format!("unable to find group {wanted}: no matching entries in group file");
            Error::Config(text)
        },
    )
}

fn groups_of<'a>(group: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    groups(group)
        .filter(move |(_, _, members)| members.split(',').any(|member| member.trim() == user))
        .map(|(_, gid, _)| gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:101:202::/:/bin/sh\nbroken\n5:x:7:8::/:\n";
    const GROUP: &str = "root:x:0:\nweb:x:202:\nlogs:x:303:alice,web\nbad:x\nwheel:x:10:root\n";

    fn check(user: &str, group: &str, expect: Option<(u32, u32, &[u32])>) {
        let request = UserRequest { user: user.into(), group: group.into(), ..Default::default() };
        let found = resolve(PASSWD, GROUP, &request).ok();
        let found = found.as_ref().map(|found| (found.uid, found.gid, found.groups.as_slice()));
        assert_eq!(found, expect, "{user}:{group}");
    }

    #[test]
    fn names_and_numbers() {
        check("", "", Some((0, 0, &[0, 10])));
        check("web", "", Some((101, 202, &[202, 303])));
        check("101", "", Some((101, 202, &[202, 303])));
        check("4242", "", Some((4242, 0, &[0])));
        check("4242", "web", Some((4242, 202, &[202])));
        check("web", "7", Some((101, 7, &[7, 303])));
        check("5", "", Some((7, 8, &[8])));
        check("nobody", "", None);
        check("web", "nogroup", None);
        check("-1", "", None);
        check("4294967296", "", None);
    }

    #[test]
    fn strict_leaves_the_image_s_groups_out() {
        let request =
            UserRequest { user: "web".into(), supplemental: vec![9, 9, 1], strict: true, ..Default::default() };
        let found = resolve(PASSWD, GROUP, &request).unwrap();
        let expect = Identity { uid: 101, gid: 202, groups: vec![1, 9, 202], home: "/".into() };
        assert_eq!(found, expect);
        let root = resolve(PASSWD, GROUP, &UserRequest::default()).unwrap();
        assert_eq!(root.home, "/root");
    }
}
