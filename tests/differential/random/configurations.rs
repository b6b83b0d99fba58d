//! Every setting that a rule depends on, with values that lie close together.

use super::Dice;
use crate::configuration::{Configuration, RESOLV_CONFS};

const ADDRESSES_V4: [&str; 16] = [
    "10.0.0.0",
    "10.1.2.3",
    "10.1.2.128",
    "10.96.0.10",
    "172.16.0.1",
    "192.168.0.1",
    "203.0.113.0",
    "203.0.113.5",
    "198.18.0.1",
    "198.18.0.2",
    "198.19.0.2",
    "127.0.0.1",
    "127.1.2.3",
    "127.0.0.6",
    "223.255.255.255",
    "1.0.0.0",
];
const PREFIXES_V4: [u8; 14] = [0, 1, 7, 8, 9, 16, 23, 24, 25, 30, 31, 32, 32, 32];
const ADDRESSES_V6: [&str; 12] = [
    "2001:db8::",
    "2001:db8:1::1",
    "2001:db8:77::5",
    "fd00::",
    "fd00:18::1",
    "fd00:18::2",
    "fd00:19::2",
    "fd00:96::a",
    "::1",
    "::6",
    "8000::",
    "::ffff:10.0.0.0",
];
const PREFIXES_V6: [u8; 14] = [0, 1, 15, 16, 32, 33, 47, 48, 64, 120, 127, 128, 128, 128];
const PORTS: [&str; 20] = [
    "1",
    "2",
    "22",
    "53",
    "80",
    "443",
    "8000",
    "8080",
    "15008",
    "65535",
    "1-65535",
    "1-1",
    "52-54",
    "80-81",
    "79-80",
    "8000-8100",
    "8050-8200",
    "8001-8099",
    "60000-65535",
    "65534-65535",
];
const OWNERS: [u32; 6] = [0, 888, 1000, 1337, 4000, 4_294_967_294];

/// A line of flags; what is not drawn keeps its default.
pub fn configuration(dice: &mut Dice) -> Configuration {
    let mut words = Words(Vec::new());
    whose(dice, &mut words);
    inbound(dice, &mut words);
    outbound(dice, &mut words);
    surroundings(dice, &mut words);
    // What is asked for may be there already: only the second writes it again.
    words.add("--reconcile=", "true");
    if dice.percent(20) {
        words.add("--force-apply=", "true");
    }
    Configuration::new(words.0.join(" "))
}

struct Words(Vec<String>);

impl Words {
    fn add(&mut self, name: &str, text: impl Into<String>) {
        self.0.push(format!("{name}{}", text.into()));
    }
}

/// DNS and the proxy's owners. The agent's answers reach the application only when the rules know the agent by its
/// user or group: the listeners run as 1337, so 1337 is in one of the lists where DNS is captured.
fn whose(dice: &mut Dice, words: &mut Words) {
    let groups = ["ISTIO_OUTBOUND_OWNER_GROUPS=", "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE="];
    for variable in groups {
        if dice.percent(15) {
            words.add(variable, dice.list(&OWNERS, 3));
        }
    }
    let dns = dice.percent(50);
    if dns {
        words.add("--redirect-dns=", "true");
        if dice.percent(50) {
            words.add("--capture-all-dns=", "true");
        }
        words.add("--resolv-conf=", dice.one_of(&RESOLV_CONFS).0);
    }
    let mut users = if dice.percent(50) { "1337".to_owned() } else { dice.list(&OWNERS, 3) };
    let mut groups = dice.percent(40).then(|| dice.list(&OWNERS, 2));
    let has_proxy = |list: &str| list.split(',').any(|item| item == "1337");
    if dns && !has_proxy(&users) && !groups.as_deref().is_some_and(has_proxy) {
        match &mut groups {
            Some(groups) if dice.percent(50) => groups.push_str(",1337"),
            _ => users.push_str(",1337"),
        }
    }
    words.add("-u ", users);
    if let Some(groups) = groups {
        words.add("-g ", groups);
    }
}

fn inbound(dice: &mut Dice, words: &mut Words) {
    if dice.percent(50) {
        words.add("-m ", "TPROXY");
        if dice.percent(15) {
            words.add("-t ", dice.one_of(&["7", "4294967295"]));
        }
        if dice.percent(15) {
            words.add("-r ", "200");
        }
    } else if dice.percent(30) {
        words.add("-m ", "REDIRECT");
    }
    match dice.up_to(9) {
        0 => {}
        1..=5 => words.add("-b ", "*"),
        _ => words.add("-b ", dice.list(&PORTS, 4)),
    }
    if dice.percent(50) {
        words.add("-d ", dice.list(&PORTS[..18], 3));
    }
    if dice.percent(20) {
        words.add("-e ", dice.one_of(&["80", "8000"]));
    }
    if dice.percent(20) {
        words.add("--drop-invalid=", "true");
    }
}

fn outbound(dice: &mut Dice, words: &mut Words) {
    match dice.up_to(9) {
        0 => {}
        1..=5 => words.add("-i ", "*"),
        _ => words.add("-i ", ranges(dice, 4)),
    }
    if dice.percent(60) {
        words.add("-x ", ranges(dice, 3));
    }
    if dice.percent(40) {
        words.add("-q ", dice.list(&PORTS, 3));
    }
    if dice.percent(40) {
        words.add("-o ", dice.list(&PORTS, 3));
    }
    if dice.percent(20) {
        let range = dice.one_of(&["127.0.0.0/8", "127.1.2.3/32", "127.1.2.0/24", "127.0.0.6/31"]);
        words.add("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR=", range);
    }
}

/// The families and the interfaces.
fn surroundings(dice: &mut Dice, words: &mut Words) {
    if dice.percent(70) {
        words.add("--dual-stack=", "true");
    }
    if dice.percent(40) {
        words.add("--uncaptured-family=", dice.one_of(&["deny", "deny", "allow"]));
    }
    if dice.percent(40) {
        words.add("--quic=", dice.one_of(&["deny", "deny", "allow"]));
    }
    if dice.percent(25) {
        words.add("-c ", dice.list(&["net1", "eth+", "net+", "lo", "n+", "eth1"], 2));
    }
    // Where no range is captured in any family, nothing tells what this leaves in iptables from a rule of others, and a
    // replacement leaves it alone (README, limits).
    let is_dual_stack = words.0.iter().any(|word| word.starts_with("--dual-stack"));
    let captures = |word: &String| {
        let ranges = word.strip_prefix("-i ");
        ranges.is_some_and(|ranges| is_dual_stack || ranges.split(',').any(|range| !range.contains(':')))
    };
    if words.0.iter().any(captures) && dice.percent(25) {
        words.add("-k ", dice.list(&["net1", "net+", "eth0", "lo", "net"], 2));
    }
}

fn ranges(dice: &mut Dice, most: usize) -> String {
    let count = 1 + dice.up_to(most - 1);
    let range = |_| {
        let (addresses, prefixes) = if dice.percent(60) {
            (&ADDRESSES_V4[..], &PREFIXES_V4)
        } else {
            (&ADDRESSES_V6[..], &PREFIXES_V6)
        };
        format!("{}/{}", dice.one_of(addresses), dice.one_of(prefixes))
    };
    (0..count).map(range).collect::<Vec<_>>().join(",")
}
