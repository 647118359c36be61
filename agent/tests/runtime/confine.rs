//! What a container may not do, and who it is.

use masthead_agent::runtime::v1::security_profile::ProfileType;
use masthead_agent::runtime::v1::{self, Int64Value, Mount, MountPropagation};

use super::bed::{Bed, bed, script, security};

async fn text(bed: &Bed, config: v1::ContainerConfig) -> String {
    bed.run(config).await.1
}

fn seccomp(kind: ProfileType) -> Option<v1::SecurityProfile> {
    Some(v1::SecurityProfile { profile_type: kind.into(), localhost_ref: String::new() })
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_directories() {
    let Some(bed) = bed().await else { return };
    let mut image = script("image", "");
    image.command.clear();
    image.image = Some(v1::ImageSpec { image: "web".into(), ..Default::default() });
    let printed = text(&bed, image).await;
    assert_eq!(printed, "uid=101(web) gid=202(web) groups=202(web),303(logs)\n/srv/made\nimage\n");
    let numbers = security(script("numbers", "id -u; id -g; id -G; echo $HOME"), |security| {
        security.run_as_user = Some(Int64Value { value: 4242 });
        security.run_as_group = Some(Int64Value { value: 77 });
        security.supplemental_groups = vec![88];
    });
    let (status, printed) = bed.run(numbers).await;
    assert_eq!(printed, "4242\n77\n77 88\n/\n");
    let user = status.user.and_then(|user| user.linux).map(|user| (user.uid, user.gid, user.supplemental_groups));
    assert_eq!(user, Some((4242, 77, vec![77, 88])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_root_and_hidden_kernel_files() {
    let Some(bed) = bed().await else { return };
    let tried = "touch /x 2>/dev/null && echo root; echo 1 2>/dev/null >/proc/sys/vm/swappiness && echo sys; \
        cat /proc/timer_list 2>/dev/null | wc -c; touch /dev/shm/x && echo shm; exit 0";
    let config = security(script("ro", tried), |security| security.readonly_rootfs = true);
    assert_eq!(text(&bed, config).await, "0\nshm\n");
    let config = security(
        script("masked", "cat /etc/passwd; ls /srv | wc -l; echo 1 2>/dev/null >/etc/group || echo ro"),
        |s| {
            (s.masked_paths, s.readonly_paths) = (vec!["/etc/passwd".into(), "/srv".into()], vec!["/etc/group".into()]);
        },
    );
    assert_eq!(text(&bed, config).await, "0\nro\n");
    let config = script("rw", "touch /x && echo root; cat /etc/hostname; grep p$ /etc/hosts");
    assert_eq!(text(&bed, config).await, "root\np\n10.9.8.7\tp\n");
    assert!(!bed.dir.join("layers/base/x").exists(), "an image was written to");
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities() {
    let Some(bed) = bed().await else { return };
    let show = "grep -E 'Cap(Eff|Bnd|Amb|Inh)' /proc/self/status | tr -d '\\t'";
    let all = |eff: &str| format!("CapInh:0000000000000000\nCapEff:{eff}\nCapBnd:{eff}\nCapAmb:0000000000000000\n");
    assert_eq!(text(&bed, script("usual", show)).await, all("00000000a80425fb"));
    let none = security(script("none", show), |security| {
        let drop_capabilities = vec!["ALL".to_owned()];
        security.capabilities = Some(v1::Capability { drop_capabilities, ..Default::default() });
    });
    assert_eq!(text(&bed, none).await, all("0000000000000000"));
    let admin = security(script("admin", show), |security| {
        let add_capabilities = vec!["NET_ADMIN".to_owned()];
        security.capabilities = Some(v1::Capability { add_capabilities, ..Default::default() });
        security.seccomp = seccomp(ProfileType::RuntimeDefault);
    });
    assert_eq!(text(&bed, admin).await, all("00000000a80435fb"), "seccomp left something");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_seccomp_profile() {
    let Some(bed) = bed().await else { return };
    let tried = "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status | tr -d '\\t'; \
        unshare -U true 2>/dev/null && echo unshared; mkdir /tmp/d && echo made; exit 0";
    let with = |name: &str, kind, no_new_privs| {
        security(script(name, tried), |security| {
            security.seccomp = seccomp(kind);
            security.no_new_privs = no_new_privs;
        })
    };
    let default = text(&bed, with("default", ProfileType::RuntimeDefault, false)).await;
    assert_eq!(default, "NoNewPrivs:0\nSeccomp:2\nmade\n");
    let strict = text(&bed, with("strict", ProfileType::RuntimeDefault, true)).await;
    assert_eq!(strict, "NoNewPrivs:1\nSeccomp:2\nmade\n");
    let open = text(&bed, with("open", ProfileType::Unconfined, false)).await;
    assert!(open.starts_with("NoNewPrivs:0\nSeccomp:0\n") && open.ends_with("made\n"), "{open}");
    let user = security(with("user", ProfileType::RuntimeDefault, false), |security| {
        security.run_as_user = Some(Int64Value { value: 1000 });
    });
    let user = text(&bed, user).await;
    assert!(user.starts_with("NoNewPrivs:0\nSeccomp:2\n"), "{user}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mounts_and_devices() {
    let Some(bed) = bed().await else { return };
    let host = bed.dir.join("volume");
    std::fs::create_dir_all(&host).unwrap();
    std::fs::write(host.join("f"), "from the host\n").unwrap();
    let mount = |path: &str, host: &std::path::Path, readonly, propagation: MountPropagation| Mount {
        container_path: path.into(),
        host_path: host.to_string_lossy().into_owned(),
        readonly,
        propagation: propagation.into(),
        ..Default::default()
    };
    let mut config = script(
        "c",
        "cat /v/f /r/f; touch /v/new; touch /r/no 2>/dev/null || echo ro; ls /made; \
        mknod /tmp/mem c 1 1 && head -c1 /tmp/mem 2>/dev/null | wc -c; { echo x >/dev/full; } 2>/dev/null || echo full",
    );
    config.mounts = vec![
        mount("/v", &host, false, MountPropagation::PropagationPrivate),
        mount("/r", &host, true, MountPropagation::PropagationHostToContainer),
        mount("/made", &bed.dir.join("not/there"), false, MountPropagation::PropagationPrivate),
    ];
    let printed = text(&bed, config).await;
    let expect = "from the host\nfrom the host\nro\n0\n";
    assert!(printed.starts_with(expect) && printed.ends_with("full\n"), "{printed}");
    assert!(host.join("new").exists() && bed.dir.join("not/there").is_dir());

    let config = security(script("shared", "mount -t tmpfs t /v && touch /v/deep && echo mounted"), |security| {
        security.privileged = true;
    });
    shared(&bed, &host, config, mount("/v", &host, false, MountPropagation::PropagationBidirectional)).await;
}

/// A mount made by a container is seen on the host, and one made on the host by a container.
async fn shared(bed: &Bed, host: &std::path::Path, config: v1::ContainerConfig, mount: Mount) {
    use nix::mount::{MntFlags, MsFlags, umount2};
    let none = None::<&str>;
    nix::mount::mount(Some("t"), host, Some("tmpfs"), MsFlags::empty(), none).unwrap();
    nix::mount::mount(none, host, none, MsFlags::MS_SHARED, none).unwrap();
    let mut config = config;
    config.mounts = vec![mount.clone()];
    assert_eq!(text(bed, config).await, "mounted\n");
    assert!(host.join("deep").exists(), "the container's mount did not come to the host");
    umount2(host, MntFlags::MNT_DETACH).unwrap();

    let mut config = script("slave", "until [ -e /v/sub/late ]; do sleep 0.05; done; echo seen");
    let propagation = MountPropagation::PropagationHostToContainer.into();
    config.mounts = vec![Mount { propagation, ..mount }];
    let pod = bed.pod("p").await;
    let id = bed.start(&pod, config).await;
    std::fs::create_dir(host.join("sub")).unwrap();
    nix::mount::mount(Some("t"), &host.join("sub"), Some("tmpfs"), MsFlags::empty(), none).unwrap();
    std::fs::write(host.join("sub/late"), "").unwrap();
    assert_eq!(bed.ended(&id).await.exit_code, 0);
    umount2(&host.join("sub"), MntFlags::MNT_DETACH).unwrap();
    umount2(host, MntFlags::MNT_DETACH).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_privileged_container_has_devices() {
    let Some(bed) = bed().await else { return };
    let show = "test -c /dev/kmsg && echo kmsg; echo 60 >/proc/sys/net/ipv4/tcp_fin_timeout && echo sys";
    let config = security(script("c", show), |security| security.privileged = true);
    assert_eq!(text(&bed, config).await, "kmsg\nsys\n");
}
