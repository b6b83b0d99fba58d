//! Golden files for every renderer: the same configurations as nftables, iptables and JSON.
//!
//! `INSTA_UPDATE=always cargo test --test golden` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::process::Command;

const CONFIGURATIONS: &[(&str, &[&str])] = &[
    ("no-flags", &["--local-address", "10.0.0.2"]),
    (
        "injected",
        &[
            "--local-address",
            "10.0.0.2",
            "-i",
            "*",
            "-x",
            "192.168.0.1/32",
            "-b",
            "*",
            "-d",
            "15090,15021,15020",
        ],
    ),
    (
        "link-local",
        &["--local-address", "10.0.0.2,::1,fe80::2", "-i", "*", "-b", "*", "-d", "15020,15021", "-c", "net1"],
    ),
    (
        "tproxy-dual-stack-dns",
        &[
            "--local-address",
            "10.0.0.2,fd00::2",
            "--dual-stack",
            "-m",
            "TPROXY",
            "-b",
            "80,8000-8100",
            "-i",
            "10.0.0.0/8,10.128.0.0/9,2001:db8::/32",
            "-x",
            "10.1.0.0/16,10.2.0.0/16",
            "--redirect-dns",
            "--capture-all-dns",
            "--drop-invalid",
        ],
    ),
    (
        "everything-else",
        &[
            "--local-address",
            "10.0.0.2,fd00::2",
            "-g",
            "1337,4000",
            "-c",
            "eth9,cilium+",
            "-k",
            "vnet0,vnet1",
            "-i",
            "10.0.0.0/8,172.16.0.0/12,0.0.0.0/0",
            "-o",
            "22,9000-9100",
            "-q",
            "443",
            "--uncaptured-family=deny",
            "--quic=deny",
        ],
    ),
];

fn plan(format: &str, flags: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mesh-intercept"))
        .args(["plan", "--backend", "nftables", "-u", "1337", "--output", format])
        .args(flags)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn check(format: &str) {
    for (name, flags) in CONFIGURATIONS {
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "golden"}, {
            insta::assert_snapshot!(format!("{name}.{format}"), plan(format, flags));
        });
    }
}

#[test]
fn nftables() {
    check("nft");
}

#[test]
fn iptables() {
    check("iptables");
}

#[test]
fn json() {
    check("json");
}
