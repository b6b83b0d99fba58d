//! A kernel that answers with what the fuzzer wrote.

use std::net::IpAddr;

use mesh_intercept::config::families::Family;
use mesh_intercept::kernel::{Error, Finished, Kernel, ListedChain, Refused, RoutingItem};
use mesh_intercept::netlink::{Attributes, Batch, attribute, attributes, messages, text};

/// What the kernel is said to hold.
#[derive(Debug, Default)]
pub struct Fake {
    /// Objects of nf_tables: what message makes them, and its payload.
    objects: Vec<(u8, Vec<u8>)>,
    /// What a save program prints.
    pub saved: String,
}

impl Fake {
    /// One that holds what these messages of nf_tables say, whether they make sense or not.
    pub fn holding(bytes: &[u8]) -> Fake {
        let of_nf_tables = messages(bytes).filter(|sent| sent.is(sent.kind as u8));
        let objects = of_nf_tables.map(|sent| {
            let mut payload = sent.payload.to_vec();
            // The generation: one that never matches would hide everything else.
            payload.iter_mut().skip(2).take(2).for_each(|byte| *byte = 0);
            (sent.kind as u8, payload)
        });
        Fake { objects: objects.collect(), saved: String::new() }
    }

    /// One whose save programs print this.
    pub fn saying(saved: impl Into<String>) -> Fake {
        Fake { objects: Vec::new(), saved: saved.into() }
    }
}

impl Kernel for Fake {
    fn addresses(&mut self) -> Result<Vec<IpAddr>, Error> {
        Ok(vec![IpAddr::from([10, 0, 0, 2])])
    }

    fn chains(&mut self) -> Result<Vec<ListedChain>, Error> {
        // One a family, so that a save program is run.
        let chain = |family| ListedChain {
            family,
            table: "nat".to_owned(),
            name: "OUTPUT".to_owned(),
            is_idle: false,
        };
        Ok([2, 10].map(chain).to_vec())
    }

    fn generation(&mut self) -> Result<u32, Error> {
        Ok(0)
    }

    /// As the kernel does it: everything of a kind and a family, and of the elements those of the set that is named.
    fn list(&mut self, kind: u8, family: u8, asked: &Attributes) -> Result<Vec<Vec<u8>>, Error> {
        const SET: u16 = 2;
        let asked = [&[0; 4], asked.written()].concat();
        let set = attribute(&asked, SET).map(text);
        // The type of a request follows that of what it asks for.
        let own = self
            .objects
            .iter()
            .filter(|(of, payload)| of.wrapping_add(1) == kind && payload.first() == Some(&family));
        let named = own.filter(|(_, payload)| {
            set.is_none() || attributes(payload).any(|(part, name)| part == SET && Some(text(name)) == set)
        });
        Ok(named.map(|(_, payload)| payload.clone()).collect())
    }

    fn settle(&mut self) {}

    fn policy_marks(&mut self) -> Result<Vec<u32>, Error> {
        Ok(Vec::new())
    }

    fn routing(&mut self) -> Result<Vec<RoutingItem>, Error> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _: &Batch) -> Result<(), Refused> {
        unreachable!("targets read, and write nothing")
    }

    fn legacy_tables(&mut self, _: Family) -> Result<Vec<String>, Error> {
        Ok(vec!["nat".to_owned()])
    }

    fn add(&mut self, _: &RoutingItem) -> Result<bool, Error> {
        unreachable!("targets read, and write nothing")
    }

    fn remove(&mut self, _: &RoutingItem) -> Result<bool, Error> {
        unreachable!("targets read, and write nothing")
    }

    fn run(&mut self, _: &str, _: &[&str], _: &str) -> Result<Finished, Error> {
        Ok(Finished { code: Some(0), output: self.saved.clone(), complaints: String::new() })
    }
}
