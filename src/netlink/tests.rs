//! What is written can be read, and what is no message ends the walk.

use super::*;

#[test]
fn a_length_that_does_not_fit_is_an_error_and_not_cut() {
    let mut attributes = Attributes::default();
    attributes.nested(1, |inner| {
        inner.bytes(2, &[0; LONGEST_ATTRIBUTE]);
    });
    let refused = Batch::new().push(FAMILY_INET, "a rule".into(), message::NEW_RULE, 0, &attributes);
    assert_eq!(refused, Err(TooLong { what: "a rule".into() }));
}

#[test]
fn what_is_written_can_be_read() {
    let mut batch = Batch::new();
    let mut name = Attributes::default();
    name.text(1, "mesh-intercept");
    batch.push(FAMILY_INET, "the table".into(), message::NEW_TABLE, flag::CREATE, &name).unwrap();
    let batch = batch.finish();
    let received: Vec<_> = messages(batch.bytes()).collect();
    assert_eq!(received.len(), 3);
    assert!(received[1].is(message::NEW_TABLE));
    let found: Vec<_> = attributes(received[1].payload).collect();
    assert_eq!(found, [(1, &b"mesh-intercept\0"[..])]);
    assert_eq!(batch.subject(batch.answered()), Some("the table"));
}

#[test]
fn a_name_cannot_break_its_line() {
    assert_eq!(text(b"mesh\0"), "mesh");
    assert_eq!(text(b"a\nb\x1b[2J\0"), "a\u{fffd}b\u{fffd}[2J");
}

#[test]
fn garbage_ends_the_walk() {
    for length in 0..40 {
        assert!(messages(&vec![0xff; length]).count() == 0);
        attributes(&vec![0xff; length]).for_each(drop);
        attributes(&vec![0; length]).for_each(drop);
        assert!(messages(&vec![0; length]).count() == 0);
    }
}
