//! The record of who installed the rules: any user data, and any configuration written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_intercept::backend::nftables::{self, Record, TABLE, TableFamily, translate};
use mesh_intercept::cli::recorded;
use mesh_intercept::config::Config;
use mesh_intercept::netlink::{Attributes, Batch, message};
use mesh_intercept::program::Program;
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::kernel::Fake;

fuzz_target!(|bytes: &[u8]| {
    if let Some(record) = of_user_data(bytes) {
        assert!(record.installer.len() + record.configuration.len() <= 3 * bytes.len());
        assert!(![&record.installer, &record.configuration].iter().any(|it| it.contains(char::is_control)));
        let _ = recorded(&record.configuration).map(|settings| Config::parse(&settings, &Files));
    }
    let text: String = bytes.iter().map(|byte| char::from(byte % 95 + 32)).collect();
    let written = Record { time: bytes.len() as u64, ..Record::now(text, &[]) };
    let Ok(batch) = nftables::encode(&translate(&Program::default()), &written) else {
        unreachable!("a record is short");
    };
    let read = record_of(batch.bytes()).unwrap_or_else(|| panic!("{written:?} cannot be read"));
    assert_eq!((&read.installer, read.time), (&written.installer, written.time));
    assert!(written.configuration.starts_with(&read.configuration));
    assert_eq!(read.whole, read.configuration.len() == written.configuration.len());
});

/// The record in a table whose chain of the record has this user data.
fn of_user_data(bytes: &[u8]) -> Option<Record> {
    const NAME: u16 = 3;
    const USER_DATA: u16 = 12;
    let mut batch = Batch::new();
    let family = TableFamily::Ip.number();
    let mut table = Attributes::default();
    table.text(1, TABLE);
    batch.push(family, String::new(), message::NEW_TABLE, 0, &table).ok()?;
    let mut chain = Attributes::default();
    chain.text(1, TABLE).text(NAME, "installation").bytes(USER_DATA, bytes);
    batch.push(family, String::new(), message::NEW_CHAIN, 0, &chain).ok()?;
    record_of(batch.bytes())
}

fn record_of(messages: &[u8]) -> Option<Record> {
    let held = nftables::read(&mut Fake::holding(messages)).ok()?;
    held.tables.into_iter().next()?.record
}
