# SPDX-License-Identifier: GPL-2.0-or-later
"""While faults go on the kernel may be behind, but nothing that was taken back may come again. What it has must follow from some state of
the Engine and some state of the store since the last moment at which it was seen to have them, or be closed."""

import truth


class Allowed:
    """Everything that some pair of states since the base would put into the kernel."""

    def __init__(self, moment):
        self.rebase(moment)

    def rebase(self, moment):
        self.moments = []
        self.sets, self.groups, self.always = {}, {}, None
        self.add(moment)

    def add(self, moment):
        self.moments.append(moment)
        for other in self.moments[:-1]:
            self.take(other, moment.store)
            self.take(moment, other.store)
        self.take(moment, moment.store)

    def take(self, engine, store):
        kernel = truth.kernel(engine.networks, engine.endpoints, store, engine.ports)
        for key, members in kernel.sets.items():
            self.sets.setdefault(key, set()).update(members)
        for address, both in kernel.groups.items():
            held = self.groups.setdefault(address, (set(), set()))
            for rules, seen in zip(both, held):
                seen.add(rules)
        isolated = {(address, kernel.at[key]) for key in kernel.at for address in [key[1]] if address in kernel.isolated}
        self.always = isolated if self.always is None else self.always & isolated

    def confirm_store(self):
        """The kernel has the last state of the store: older ones may not come back."""
        moments = self.moments
        last = moments[-1].store
        self.sets, self.groups, self.always = {}, {}, None
        for moment in moments:
            moment.store = last
            self.take(moment, last)


class Watch:
    """Looks at the kernel between steps."""

    def __init__(self, moment):
        self.allowed = Allowed(moment)
        self.gone = set()  # addresses that are nobody's, and that the kernel was seen without

    def wrong(self, view, moment, torn):
        lines = []
        for key, members in view.sets.items():
            for address in sorted(members - self.allowed.sets.get(key, set())):
                lines.append(f"{address} is in the set of {key[1]}, and no state since the last agreement has it there")
        for address, both in view.groups.items():
            held = self.allowed.groups.get(address, (set(), set()))
            for direction, rules, seen in zip(("egress", "ingress"), both, held):
                if rules and rules not in seen:
                    lines.append(f"{address}: {direction} rules {rules} are of no state since the last agreement")
        if not torn:
            for address, endpoint in sorted(self.allowed.always or ()):
                if address not in view.groups or address not in view.isolated:
                    lines.append(f"{address} of {endpoint[:12]} was isolated all the time, and is not now")
        return lines + self.returned(view, moment)

    def returned(self, view, moment):
        mine = {a for e in moment.endpoints.values() for a in truth.addresses(e)}
        there = {a for members in view.sets.values() for a in members} | {address for _, address in view.at}
        self.gone -= mine
        lines = [f"{address} is nobody's, was gone from the kernel, and has come back" for address in sorted(self.gone & there)]
        known = {a for key in self.allowed.groups for a in [key]} | {a for s in self.allowed.sets.values() for a in s}
        self.gone |= known - mine - there
        return lines
