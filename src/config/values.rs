//! Single values: booleans, durations, marks, routing tables, modes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

/// How inbound connections reach the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// Destination NAT: the application sees the proxy as the client.
    #[default]
    Redirect,
    /// Delivered to the proxy's transparent socket: the client's address is kept.
    Tproxy,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        match text {
            "" | "REDIRECT" => Ok(Mode::Redirect),
            "TPROXY" => Ok(Mode::Tproxy),
            _ => Err("unknown mode: write REDIRECT or TPROXY, in capitals".to_owned()),
        }
    }
}

/// What happens to IPv6 of a pod when it is not intercepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UncapturedFamily {
    /// It passes, and nothing is said.
    Allow,
    /// It passes, and a warning says so.
    #[default]
    Warn,
    /// Its outbound traffic is dropped, except loopback and the proxy's.
    Deny,
}

impl FromStr for UncapturedFamily {
    type Err = String;

    fn from_str(text: &str) -> Result<UncapturedFamily, String> {
        match text {
            "allow" => Ok(UncapturedFamily::Allow),
            "warn" => Ok(UncapturedFamily::Warn),
            "deny" => Ok(UncapturedFamily::Deny),
            _ => Err("write allow, warn or deny".to_owned()),
        }
    }
}

/// What happens to QUIC, which a redirection of TCP does not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Quic {
    /// It passes.
    #[default]
    Allow,
    /// Where TCP would be captured it is refused at once, so that clients take TCP instead.
    Deny,
}

impl FromStr for Quic {
    type Err = String;

    fn from_str(text: &str) -> Result<Quic, String> {
        match text {
            "allow" => Ok(Quic::Allow),
            "deny" => Ok(Quic::Deny),
            _ => Err("write allow or deny".to_owned()),
        }
    }
}

/// A packet mark (`SO_MARK`, `fwmark`), never 0: that is what packets without a mark carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Mark(u32);

impl Mark {
    /// On the proxy's own connections to the pod's address, so that they are intercepted inbound (istio's constant).
    pub const OUTBOUND: Mark = Mark(1338);

    /// A mark that a packet can carry; nothing for 0.
    pub fn new(number: u32) -> Option<Mark> {
        (number != 0).then_some(Mark(number))
    }

    /// Its number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Mark, String> {
        let mark =
            number(text).ok_or("not a mark: write a number from 1 to 4294967295, decimal or with 0x")?;
        match mark {
            0 => {
                Err("a mark of 0 is what every packet without a mark carries: take 1 to 4294967295"
                    .to_owned())
            }
            1338 => Err("1338 marks the proxy's own connections: take another mark".to_owned()),
            mark => Ok(Mark(mark)),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "0x{:x}", self.0)
    }
}

/// A routing table that is not one of the kernel's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RouteTable(u32);

impl RouteTable {
    /// Its number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for RouteTable {
    type Err = String;

    fn from_str(text: &str) -> Result<RouteTable, String> {
        match number(text).ok_or("not a routing table: write a number from 1 to 4294967295")? {
            0 => Err("table 0 does not exist: take 1 to 4294967295".to_owned()),
            // RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL (linux/rtnetlink.h)
            253..=255 => Err("tables 253 to 255 are the kernel's own: take another".to_owned()),
            table => Ok(RouteTable(table)),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// Reads a boolean as Go's `strconv.ParseBool` does, which istio's flags and variables go through.
///
/// # Errors
/// When it is none of its spellings.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("not a boolean: write true or false".to_owned()),
    }
}

/// Reads a duration as Go writes it: `5s`, `1m30s`, `250ms`, `1.5h`.
///
/// # Errors
/// When it is not one, or is zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    const WRONG: &str = "not a duration: write it like 5s, 250ms or 1m30s, more than zero and at most 24h";
    let longest = Duration::from_secs(24 * 3600);
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (digits, tail) = rest.split_at(number);
        let unit = tail.len() - tail.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, tail) = tail.split_at(unit);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "\u{b5}s" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(WRONG.to_owned()),
        };
        let amount: f64 = digits.parse().map_err(|_| WRONG.to_owned())?;
        let part = Duration::try_from_secs_f64(amount * seconds).map_err(|_| WRONG.to_owned())?;
        total = total.checked_add(part).ok_or(WRONG)?;
        rest = tail;
    }
    if total.is_zero() || total > longest { Err(WRONG.to_owned()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_spelt_in_capitals() {
        assert_eq!("".parse(), Ok(Mode::Redirect));
        assert_eq!("TPROXY".parse(), Ok(Mode::Tproxy));
        assert!("tproxy".parse::<Mode>().is_err() && "FOO".parse::<Mode>().is_err());
    }

    #[test]
    fn marks_and_tables_stay_in_their_ranges() {
        assert_eq!("0x539".parse::<Mark>().map(Mark::get), Ok(1337));
        assert_eq!("4294967295".parse::<Mark>().map(Mark::get), Ok(u32::MAX));
        for wrong in ["0", "", "-1", "4294967296", "0x", "abc", "1338", "1337/0xff", "+5"] {
            assert!(wrong.parse::<Mark>().is_err(), "{wrong:?}");
        }
        assert_eq!("77".parse::<RouteTable>().map(RouteTable::get), Ok(77));
        for wrong in ["0", "abc", "253", "254", "255", "4294967296", "main"] {
            assert!(wrong.parse::<RouteTable>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn booleans_and_durations_are_go_s() {
        assert_eq!((boolean("T"), boolean("0")), (Ok(true), Ok(false)));
        assert!(boolean("maybe").is_err() && boolean("").is_err() && boolean("yes").is_err());
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "5", "s", "0s", "-5s", "5 s", "1e9h", "25h", "1..5s", "5x"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
