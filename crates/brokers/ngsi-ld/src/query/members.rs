//! Which members of entities are shown (`pick`, `omit`), also of linked ones: `id,locatedAt{name,isIn{name}}` (NGSI-LD
//! 4.21).

use crate::{
    Context, Error,
    model::{Members, Name, Projection, shorten},
};

/// How deep selections may nest.
const MAX_DEPTH: usize = 8;

/// Whether members are chosen or left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pick,
    Omit,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Pick => "pick",
            Self::Omit => "omit",
        }
    }
}

/// Parses a selection. What is in braces after a relationship is chosen of, or left out of, the entities it points to.
pub(crate) fn projection(text: &str, mode: Mode, context: &Context) -> Result<Projection, Error> {
    let mut rest = text;
    let found = list(&mut rest, mode, context, 0)?;
    if rest.is_empty() { Ok(found) } else { Err(bad(mode, text)) }
}

fn list(rest: &mut &str, mode: Mode, context: &Context, depth: usize) -> Result<Projection, Error> {
    if depth > MAX_DEPTH {
        let detail = format!("{} goes deeper than {MAX_DEPTH} linked entities", mode.name());
        return Err(Error::bad(detail));
    }
    let mut members = Members::new();
    let mut linked: Vec<(Name, Projection)> = Vec::new();
    loop {
        let end = rest.find([',', '|', '{', '}']).unwrap_or(rest.len());
        let term = rest[..end].trim();
        let name = context.name(term, mode.name())?;
        *rest = &rest[end..];
        let inner = match rest.strip_prefix('{') {
            None => None,
            Some(after) => {
                *rest = after;
                let inner = list(rest, mode, context, depth + 1)?;
                *rest = rest.strip_prefix('}').ok_or_else(|| bad(mode, rest))?;
                Some(inner)
            }
        };
        // Of what is left out inside, the relationship itself stays.
        if mode == Mode::Pick || inner.is_none() {
            members.push((term.into(), name.clone()));
        }
        linked.extend(inner.map(|inner| (name, inner)));
        match rest.strip_prefix([',', '|']) {
            Some(after) => *rest = after,
            None => break,
        }
    }
    Ok(match mode {
        Mode::Pick => Projection { pick: Some(members), linked, ..Projection::default() },
        Mode::Omit => Projection { omit: members, linked, ..Projection::default() },
    })
}

fn bad(mode: Mode, text: &str) -> Error {
    let name = mode.name();
    Error::bad(format!(
        "{name}: \"{}\" is not a list of members such as id,a,b{{c}} (NGSI-LD 4.21)",
        shorten(text)
    ))
}

/// Both selections in one. A member cannot be in both.
pub(crate) fn both(pick: Option<Projection>, omit: Option<Projection>) -> Result<Projection, Error> {
    let (Some(mut pick), Some(omit)) = (pick.clone(), omit.clone()) else {
        return Ok(pick.or(omit).unwrap_or_default());
    };
    let picked = |name: &Name| pick.pick.iter().flatten().any(|(_, picked)| picked == name);
    if omit.omit.iter().any(|(_, name)| picked(name)) {
        return Err(Error::bad("a member cannot be both in pick and in omit"));
    }
    pick.omit = omit.omit;
    for (name, inner) in omit.linked {
        match pick.linked.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = both(Some(std::mem::take(known)), Some(inner))?,
            None => pick.linked.push((name, inner)),
        }
    }
    Ok(pick)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(projection: &Projection) -> String {
        let terms = |members: &Members| members.iter().map(|(term, _)| &**term).collect::<Vec<_>>().join(",");
        let linked: Vec<_> = projection.linked.iter().map(|(_, inner)| shown(inner)).collect();
        format!(
            "{}-{}[{}]",
            projection.pick.as_ref().map(terms).unwrap_or_default(),
            terms(&projection.omit),
            linked.join(" ")
        )
    }

    #[test]
    fn selections_of_clause_4_21_reach_into_linked_entities() {
        let context = Context::core();
        let of = |text: &str, mode| shown(&projection(text, mode, &context).unwrap());
        assert_eq!(of("id,a{b,c{d}},e", Mode::Pick), "id,a,e-[b,c-[d-[]]]");
        assert_eq!(of("type,a{b}", Mode::Omit), "-type[-b[]]");
        for text in ["", ",a", "a,", "a{", "a{}", "a{b", "a}", "a{b}c", "{a}"] {
            assert!(projection(text, Mode::Pick, &context).is_err(), "{text}");
        }
    }

    #[test]
    fn a_member_is_not_both_picked_and_omitted() {
        let context = Context::core();
        let of = |pick: &str, omit: &str| {
            let pick = projection(pick, Mode::Pick, &context).unwrap();
            both(Some(pick), Some(projection(omit, Mode::Omit, &context).unwrap()))
        };
        assert!(of("a,b", "a").is_err());
        assert_eq!(shown(&of("a,b", "b{c}").unwrap()), "a,b-[-c[]]");
    }
}
