//! Dependencies: the order that follows from them, and the cycle that makes one impossible.
//!
//! Works on names and edges alone, so that validation can ask before a whole [`super::Desired`] exists.

use std::fmt;

use crate::model::Name;

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Services that wait for each other.
    #[error("{0}")]
    Cycle(Cycle),
}

/// A cycle as the path it takes: `imap -> store -> imap`. The first name stands again at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<Name>);

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these wait for each other: ")?;
        for (at, name) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" -> ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// Every node after those it depends on; among the free ones the list order is kept, so the result is stable.
/// `edges[n]` are the nodes that `n` depends on.
///
/// # Errors
/// The shortest cycle through the first node that cannot be ordered.
pub fn topological(names: &[Name], edges: &[Vec<usize>]) -> Result<Vec<usize>, GraphError> {
    let mut waiting_for: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut waited_by: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (node, needs) in edges.iter().enumerate() {
        for need in needs {
            waited_by[*need].push(node);
        }
    }
    let mut free: std::collections::BTreeSet<usize> =
        waiting_for.iter().enumerate().filter(|(_, n)| **n == 0).map(|(node, _)| node).collect();
    let mut order = Vec::with_capacity(edges.len());
    while let Some(node) = free.pop_first() {
        order.push(node);
        for dependent in &waited_by[node] {
            waiting_for[*dependent] -= 1;
            if waiting_for[*dependent] == 0 {
                free.insert(*dependent);
            }
        }
    }
    if order.len() == edges.len() {
        return Ok(order);
    }
    let path = (0..edges.len())
        .filter(|node| waiting_for[*node] > 0)
        .find_map(|node| shortest_way_back(node, edges))
        .unwrap_or_default();
    Err(GraphError::Cycle(Cycle(path.into_iter().map(|node| names[node].clone()).collect())))
}

/// The shortest path from a node along its dependencies back to itself (breadth first).
fn shortest_way_back(start: usize, edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; edges.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for need in &edges[node] {
            if *need == start {
                let mut path = vec![start, node];
                let mut at = node;
                while at != start {
                    at = came_from[at]?;
                    path.push(at);
                }
                path.reverse();
                if node == start {
                    path = vec![start, start];
                }
                return Some(path);
            }
            if came_from[*need].is_none() {
                came_from[*need] = Some(node);
                queue.push_back(*need);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<Name> {
        list.iter().map(|n| Name::from(*n)).collect()
    }

    #[test]
    fn r01_what_depends_on_nothing_keeps_its_place_in_the_list() {
        let order = topological(&names(&["a", "b", "c", "d"]), &[vec![], vec![2], vec![], vec![]]);
        assert_eq!(order, Ok(vec![0, 2, 1, 3]));
    }

    #[test]
    fn a_cycle_is_reported_as_the_path_it_takes() {
        let error = topological(&names(&["imap", "pop", "store"]), &[vec![2], vec![2], vec![0]]).unwrap_err();
        assert_eq!(error.to_string(), "these wait for each other: imap -> store -> imap");
    }

    #[test]
    fn a_service_that_waits_for_itself_is_a_cycle_of_one() {
        let error = topological(&names(&["imap"]), &[vec![0]]).unwrap_err();
        assert_eq!(error.to_string(), "these wait for each other: imap -> imap");
    }

    #[test]
    fn what_only_leads_into_a_cycle_is_not_named_in_it() {
        let error = topological(&names(&["x", "a", "b", "c"]), &[vec![1], vec![2], vec![3], vec![1]]).unwrap_err();
        assert_eq!(error.to_string(), "these wait for each other: a -> b -> c -> a");
    }
}
