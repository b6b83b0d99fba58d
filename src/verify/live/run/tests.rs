use super::*;
use crate::kernel::sockets::Owner;

fn judged(fate: Fate, attempt: Attempt) -> Outcome {
    let to: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let caller = Caller::Pod(Owner { uid: 1, gid: 1 });
    let call = Call { caller, transport: Transport::Tcp, from: None, to, to_pod: false };
    let place = (!matches!(fate, Fate::Dropped | Fate::Rejected)).then_some(place(80));
    judge(&Asked { call, fate, place, held: None, outcome: None }, attempt)
}

fn place(port: u16) -> Place {
    let address = SocketAddr::new([192, 0, 2, 1].into(), port);
    Place { side: Side::Far, transport: Transport::Tcp, address }
}

fn reached(port: u16, seen: &str) -> Attempt {
    Attempt::Reached { place: place(port), seen: seen.to_owned(), own: "192.0.2.2:5000".to_owned() }
}

#[test]
fn only_the_right_token_and_the_caller_s_own_address_pass() {
    assert_eq!(judged(Fate::Itself, reached(80, "192.0.2.2:5000")), Outcome::Passed);
    // A proxy that is up and forwards what it should never have got.
    let wrong = [
        reached(80, "192.0.2.2:6000"),
        reached(81, "192.0.2.2:5000"),
        Attempt::Stranger,
        Attempt::Silence,
        Attempt::Refused(io::ErrorKind::ConnectionRefused.into()),
    ];
    for attempt in wrong {
        assert!(matches!(judged(Fate::Itself, attempt), Outcome::Failed { .. }));
    }
}

#[test]
fn a_proxy_that_is_up_is_known_by_what_it_passes_on() {
    assert_eq!(judge_proxy("held", reached(80, "192.0.2.2:6000")), Outcome::Passed);
    assert!(matches!(judge_proxy("held", reached(80, "192.0.2.2:5000")), Outcome::Failed { .. }));
    for attempt in [Attempt::Silence, Attempt::Stranger] {
        assert_eq!(judge_proxy("held", attempt), Outcome::NotMade { why: "held".to_owned() });
    }
}

#[test]
fn a_refusal_is_not_a_drop_that_send_also_calls_not_permitted() {
    let refused = |code| Attempt::Refused(io::Error::from_raw_os_error(code));
    assert_eq!(judged(Fate::Rejected, refused(nix::libc::ECONNREFUSED)), Outcome::Passed);
    for attempt in [refused(nix::libc::EPERM), Attempt::Silence, reached(80, "192.0.2.2:5000")] {
        assert!(matches!(judged(Fate::Rejected, attempt), Outcome::Failed { .. }));
    }
}

#[test]
fn silence_is_a_drop_and_a_refusal_is_not() {
    let refused = |code| Attempt::Refused(io::Error::from_raw_os_error(code));
    assert_eq!(judged(Fate::Dropped, Attempt::Silence), Outcome::Passed);
    assert_eq!(judged(Fate::Dropped, refused(nix::libc::EPERM)), Outcome::Passed);
    let wrong =
        [refused(nix::libc::ECONNREFUSED), refused(nix::libc::ENETUNREACH), reached(80, "192.0.2.2:5000")];
    for attempt in wrong {
        assert!(matches!(judged(Fate::Dropped, attempt), Outcome::Failed { .. }));
    }
}
