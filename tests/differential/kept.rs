//! Cases on which somebody was wrong once.

use crate::case::Case;
use crate::configuration::Configuration;
use crate::packet::Packet;

/// A configuration a line, its packets indented below it with the answers that are right.
const CASES: &str = include_str!("kept.txt");

/// All of them. The simulator has to tell the answers that are written there.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<(&str, Vec<(Packet, &str)>)> = Vec::new();
    for line in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("    "), cases.last_mut()) {
            (Some(packet), Some((_, packets))) => {
                let (packet, answer) = packet.split_once(" = ").unwrap();
                packets.push((packet.parse().unwrap(), answer));
            }
            _ => cases.push((line, Vec::new())),
        }
    }
    cases.into_iter().map(|(line, packets)| case(line, packets)).collect()
}

fn case(line: &str, packets: Vec<(Packet, &str)>) -> Case {
    let (packets, answers): (Vec<_>, Vec<_>) = packets.into_iter().unzip();
    let case = Case::new("kept.txt".to_owned(), Configuration::new(line), packets);
    for ((packet, right), told) in case.packets.iter().zip(answers).zip(case.expected()) {
        assert_eq!(told.split('|').next().unwrap(), right, "{line}\n{packet}");
    }
    case
}
