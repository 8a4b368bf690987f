"""Where an event comes in: a request of CloudFormation, a step of a rotation, an operation."""
