"""Launches one instance into MiniStack's tables, as RunInstances with a launch template does."""

from typing import Any

Props = dict[str, Any]


def launch(logical_id: str, props: Props) -> Props:
    """Launch an instance; its own properties come before those of its launch template.

    Raises:
        ValueError: the instance profile or the template's version does not exist.
    """
    from ministack.services import ec2

    data = _launch_template_data(props.get("LaunchTemplate") or {})
    merged = {**data, **props}
    interface = (merged.get("NetworkInterfaces") or [{}])[0]
    profile = merged.get("IamInstanceProfile") or ""
    profile = profile.get("Name") or profile.get("Arn") if isinstance(profile, dict) else profile
    is_arn = str(profile).startswith("arn:")
    resolved, _ = ec2._resolve_iam_instance_profile(
        iam_arn=profile if is_arn else "", iam_name="" if is_arn else profile
    )
    if profile and resolved is None:
        raise ValueError(f"{logical_id}: the instance profile {profile!r} does not exist")
    (instance,) = ec2._launch_instances_internal(
        image_id=_image(merged.get("ImageId", "")),
        instance_type=merged.get("InstanceType", "m1.small"),
        subnet_id=merged.get("SubnetId") or interface.get("SubnetId") or ec2._DEFAULT_SUBNET_ID,
        count=1,
        user_data=merged.get("UserData", ""),
        sg_ids=interface.get("GroupSet")
        or interface.get("Groups")
        or merged.get("SecurityGroupIds"),
        iam_profile=resolved,
    )
    instance["MetadataOptions"] = merged.get("MetadataOptions") or {}
    instance["_address_while_running"] = bool(interface.get("AssociatePublicIpAddress"))
    _shape_root_volume(instance, merged.get("BlockDeviceMappings") or [])
    _tag(instance, props, data)
    record: Props = instance
    return record


def _launch_template_data(reference: Props) -> Props:
    from ministack.services import ec2

    template = ec2._launch_templates.get(reference.get("LaunchTemplateId", ""))
    if template is None:
        return {}
    wanted = int(reference.get("Version", template["DefaultVersionNumber"]))
    versions = [v for v in template["Versions"] if v["VersionNumber"] == wanted]
    if not versions:
        raise ValueError(f"the launch template has no version {wanted}")
    return dict(versions[0]["LaunchTemplateData"])


def _image(image_id: str) -> str:
    """The image's id. EC2 resolves `resolve:ssm:` names at launch; here any image will do."""
    return "ami-0123456789abcdef0" if image_id.startswith("resolve:ssm:") else image_id


def _shape_root_volume(instance: Props, mappings: list[Props]) -> None:
    from ministack.services import ec2

    for mapping in mappings[:1]:
        ebs = mapping.get("Ebs") or {}
        root = instance["BlockDeviceMappings"][0]
        volume = ec2._volumes[root["Ebs"]["VolumeId"]]
        volume["Size"] = int(ebs.get("VolumeSize", volume["Size"]))
        volume["VolumeType"] = ebs.get("VolumeType", "gp2")
        volume["Encrypted"] = str(ebs.get("Encrypted", False)).lower() == "true"
        kept = str(ebs.get("DeleteOnTermination", True)).lower() == "true"
        root["Ebs"]["DeleteOnTermination"] = kept
        volume["Attachments"][0]["DeleteOnTermination"] = kept


def _tag(instance: Props, props: Props, data: Props) -> None:
    from ministack.services import ec2

    by_type = {s["ResourceType"]: s["Tags"] for s in data.get("TagSpecifications") or []}
    own = {t["Key"]: t for t in [*by_type.get("instance", []), *(props.get("Tags") or [])]}
    ec2._tags[instance["InstanceId"]] = tag_pairs(list(own.values()))
    propagated = props.get("Tags") or [] if props.get("PropagateTagsToVolumeOnCreation") else []
    on_volume = {t["Key"]: t for t in [*propagated, *by_type.get("volume", [])]}
    volume_id = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2._tags[volume_id] = tag_pairs(list(on_volume.values()))


def tag_pairs(tags: list[Props]) -> list[dict[str, str]]:
    """Tags as MiniStack stores them."""
    return [{"Key": str(t["Key"]), "Value": str(t["Value"])} for t in tags]
