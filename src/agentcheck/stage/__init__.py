"""The agent's side: what runs inside the agent's own process, with nothing of the harness's judgement.

The stage imports the target, stands at its boundaries, and asks the lab over one socket what
happens at each crossing. The lab writes the crossing down before it answers.
"""
