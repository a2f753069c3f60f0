"""The udev rules that keep the card from the machine's other users, held against the nodes that AXERA's
driver package makes: a line for each, in the one form that `udevadm verify` was shown."""
import os
import re
import unittest

RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "integrations", "udev",
                     "60-axollama.rules")
NODES = {"axcl_host", "ax_mmb_dev", "msg_userdev", "p2p"}
LINE = re.compile(r'KERNEL=="(\w+)", OWNER:="root", GROUP:="axollama", MODE:="0660"')


class DeviceNodes(unittest.TestCase):
    def test_each_node_is_for_root_and_the_group_alone(self):
        with open(RULES, encoding="ascii") as file:
            lines = [line.rstrip("\n") for line in file if not line.startswith("#")]
        matches = [LINE.fullmatch(line) for line in lines]
        self.assertNotIn(None, matches)
        self.assertEqual(sorted(match[1] for match in matches), sorted(NODES))


if __name__ == "__main__":
    unittest.main()
