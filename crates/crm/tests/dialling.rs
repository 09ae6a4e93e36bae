//! Where a typed number leads, what may be called, and what the PBX is told.
#![allow(clippy::unwrap_used)]

use linecard_crm::{Barred, Barring, Destination, DialFormat, DialPlan};

fn read(text: &str) -> Option<Destination> {
    Destination::read(&DialPlan::default(), text).ok()
}

fn dialled(text: &str, format: DialFormat, prefix: Option<&str>) -> String {
    read(text).unwrap().dialled(&DialPlan::default(), format, prefix)
}

#[test]
fn a_number_in_any_spelling_leads_to_the_same_place() {
    for text in
        ["8 (831) 212-34-56", "+7 831 212 34 56", "78312123456", "tel:+7-831-212-34-56", " 88312123456 "]
    {
        assert_eq!(read(text).unwrap().number(), "+78312123456", "{text}");
    }
    assert_eq!(read("105"), Some(Destination::Inside("105".to_owned())));
    for text in ["112", "*21#", "*21*89101234567#", "0611123"] {
        assert_eq!(read(text), Some(Destination::Special(text.to_owned())), "{text}");
    }
    assert_eq!(
        read("+999 123").unwrap().number(),
        "+999123",
        "a plan that is not known is the network's to judge"
    );
}

#[test]
fn what_is_no_number_leads_nowhere() {
    let hostile = [
        "",
        " ",
        "Ирина",
        "1234&SIP/x",
        "8 831 212-34-56/57",
        "+",
        "++7831",
        "105\r\nVia: x",
        "1+1",
        "12'; DROP",
        "<script>1</script>",
        "+1234567890123456",
    ];
    for text in hostile {
        assert_eq!(read(text), None, "{text:?}");
    }
    assert_eq!(read(&"9".repeat(4_000)).map(|found| found.number().len() <= 128), Some(true));
}

#[test]
fn the_line_says_how_a_public_number_is_written() {
    use DialFormat::{AsTyped, E164, National, Plus};
    let home =
        [(Plus, "+78312123456"), (E164, "78312123456"), (National, "88312123456"), (AsTyped, "88312123456")];
    for (format, written) in home {
        assert_eq!(dialled("8 (831) 212-34-56", format, None), written);
        assert_eq!(dialled("8 (831) 212-34-56", format, Some("9")), format!("9{written}"));
    }
    assert_eq!(dialled("+1 202 555 0100", National, None), "81012025550100");
    assert_eq!(
        dialled("8 831 212-34-56 доб. 105", AsTyped, None),
        "88312123456",
        "no extension in the number"
    );
    for special in ["112", "105", "*21#"] {
        assert_eq!(dialled(special, National, Some("9")), special, "as typed, without the prefix");
    }
}

#[test]
fn costly_numbers_are_barred_until_they_are_allowed() {
    let plan = DialPlan::default();
    let permit = |barring: &Barring, text: &str| barring.permit(&plan, &read(text).unwrap());
    let cautious = Barring::default();
    assert_eq!(permit(&cautious, "8 831 212-34-56"), Ok(()));
    assert_eq!(permit(&cautious, "8 800 555-35-35"), Ok(()));
    assert_eq!(permit(&cautious, "+375 29 123-45-67"), Err(Barred::International));
    assert_eq!(
        permit(&cautious, "+7 701 123 45 67"),
        Err(Barred::International),
        "Kazakhstan shares the code"
    );
    assert_eq!(permit(&cautious, "8 809 505-12-34"), Err(Barred::Premium));
    for never in ["112", "101", "105", "*21#", "0611123"] {
        assert_eq!(permit(&cautious, never), Ok(()), "{never}");
    }
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let listed =
        Barring::new(false, false, &texts(&["+375", "+78095"]), &texts(&["+37529", "+7831"])).unwrap();
    assert_eq!(permit(&listed, "+375 33 123-45-67"), Ok(()));
    assert_eq!(permit(&listed, "+375 29 123-45-67"), Err(Barred::Denied), "the longer beginning decides");
    assert_eq!(permit(&listed, "8 809 505-12-34"), Ok(()));
    assert_eq!(permit(&listed, "8 831 212-34-56"), Err(Barred::Denied));
    let both = Barring::new(false, false, &texts(&["+375"]), &texts(&["+375"])).unwrap();
    assert_eq!(
        permit(&both, "+375 33 123-45-67"),
        Err(Barred::Denied),
        "of two alike the denied one decides"
    );
    let open = Barring::new(true, true, &[], &[]).unwrap();
    for text in ["+375 29 123-45-67", "8 809 505-12-34"] {
        assert_eq!(permit(&open, text), Ok(()));
    }
}

#[test]
fn a_wrong_beginning_is_named() {
    for text in ["375", "+", "+37x", "+1234567890123456"] {
        let error = Barring::new(false, false, &[], &[text.to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("dialplan.deny: ") && error.contains("write + and digits"), "{error}");
    }
}
