//! Archives with names that lead out, with links, and that unpack to more than they should.

use masthead_chart::archive::{self, ensure};
use tar::EntryType;

use crate::support::{archive_fault, archive_of, gz, memory_is_bounded, tar};

#[test]
fn names_that_lead_out_are_refused() {
    for (name, expect) in [
        ("/etc/passwd", "chart illegally contains content outside the base directory: \"/etc/passwd\""),
        ("t//etc/passwd", "chart illegally contains absolute paths"),
        ("t/../../x", "chart illegally references parent directory"),
        ("../x", "chart illegally contains content outside the base directory: \"../x\""),
        ("t/..", "chart illegally references parent directory"),
        ("t\\..\\..\\x", "chart illegally references parent directory"),
        ("t/c:/x", "chart contains illegally named files"),
        ("t/.", "chart illegally contains content outside the base directory: \"t/.\""),
    ] {
        let got = archive::files(&archive_of(&[(name, b"x")]));
        match name {
            // Without its first folder, which Helm takes for the chart's, this is a file `etc/passwd` of the chart.
            "/etc/passwd" => assert_eq!(got.map(|files| files[0].name.clone()), Ok("etc/passwd".to_owned())),
            "../x" => assert_eq!(got.map(|files| files[0].name.clone()), Ok("x".to_owned())),
            _ => assert_eq!(got.err().as_deref(), Some(expect), "{name}"),
        }
    }
}

#[test]
fn links_are_refused() {
    for kind in [EntryType::Symlink, EntryType::Link] {
        let bytes = gz(&tar(&[("t/l", kind, "/etc/passwd", b"")]));
        assert_eq!(archive_fault(&bytes), "chart contains a link, which is not supported: \"t/l\"");
    }
}

#[test]
fn what_is_no_gzip_is_told() {
    let zip = [b"PK\x03\x04".as_slice(), &[0; 600]].concat();
    assert_eq!(
        ensure("t.tgz", &zip).err().as_deref(),
        Some("file 't.tgz' does not appear to be a gzipped archive; got 'application/zip'")
    );
    assert_eq!(archive_fault(&zip), "gzip: invalid header");
    assert_eq!(archive_fault(b""), "EOF");
    assert_eq!(archive_fault(&gz(b"")), "no files in chart archive");
    let noise: Vec<u8> = (0..9_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let whole = archive_of(&[("t/Chart.yaml", &noise)]);
    for cut in [3, 20, whole.len() / 2] {
        assert!(archive::files(&whole[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 6 << 20];
    assert_eq!(
        archive_fault(&archive_of(&[("t/a", &zeros)])),
        "decompressed chart file \"t/a\" is larger than the maximum file size 5242880"
    );
    // Each file is allowed; all of them are too many bytes, and they pack to no less than a hundredth.
    let noise: Vec<u8> = (0..1_u32 << 16).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let file = [noise.as_slice(), &zeros[..4 << 20]].concat();
    let names: Vec<String> = (0..26).map(|at| format!("t/{at}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), file.as_slice())).collect();
    let fault = archive_fault(&archive_of(&many));
    assert_eq!(fault, "decompressed chart is larger than the maximum file size 104857600");
    // A header that promises more than is there.
    let mut lying = tar(&[("t/a", EntryType::Regular, "", b"x")]);
    lying[124..136].copy_from_slice(b"77777777777\0");
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&lying[..512]);
    header.set_cksum();
    lying[..512].copy_from_slice(header.as_bytes());
    assert_eq!(archive_fault(&gz(&lying)), "decompressed chart is larger than the maximum file size 104857600");
    memory_is_bounded();
}

#[test]
fn many_small_files_are_refused() {
    let names: Vec<String> = (0..20_001).map(|at| format!("t/{at}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert_eq!(archive_fault(&archive_of(&many)), "chart archive holds more than 20000 files");
}
