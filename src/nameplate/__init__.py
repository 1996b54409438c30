"""Nameplate: a self-hosted bulk device registry that speaks the Alibaba Cloud IoT Platform's registration API."""
