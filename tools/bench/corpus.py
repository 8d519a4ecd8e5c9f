"""The benchmark's templates: of realistic shape, all different, and always the same for a number.

A template has 40 resources, in units as people write them: a function beside its role, log group
and queue; a cache beside its security group; a bucket with its policy. It has parameters,
conditions, a mapping, tags and intrinsics in both forms; some units have faults.

Long because every unit of a template is written out as people write it.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

RESOURCES = 40
WORDS = ("Order", "Cart", "User", "Mail", "Bill", "Stock", "Audit", "Search", "Image", "Report")


def write(folder: Path, count: int) -> list[Path]:
    """Write `count` templates into a folder that exists; returns their paths in order."""
    paths = []
    for number in range(count):
        path = folder / f"t{number:04}.yaml"
        path.write_text(template(number), "utf-8")
        paths.append(path)
    return paths


def template(number: int) -> str:
    """The template of a number, as YAML."""
    chance = random.Random(number)  # noqa: S311 - a benchmark's input, no secret
    units: list[str] = []
    left = RESOURCES
    for name in _names(number, chance):
        unit = chance.choice([unit for unit in UNITS if _size(unit) <= left])
        units.append(_filled(unit, name, chance))
        left -= _size(unit)
        if not left:
            break
    return _filled(HEAD, f"App{number}", chance) + "".join(units)


def _names(number: int, chance: random.Random) -> Iterator[str]:
    words = chance.sample(WORDS, len(WORDS))
    for turn in range(RESOURCES):
        yield f"App{number}{words[turn % len(words)]}{turn // len(words) or ''}"


def _size(unit: str) -> int:
    """The number of resources in a unit."""
    return len(re.findall(r"^  @", unit, re.M))


def _filled(unit: str, name: str, chance: random.Random) -> str:
    """A unit's text: `@` becomes its name, `~` the same in lower case, `[a|b]` one of the two.

    TAGS becomes four tags or none.
    """
    text = re.sub(
        r"\[(\w[^]|\n]*(?:\|[^]|\n]*)+)\]", lambda m: chance.choice(m[1].split("|")), unit
    )
    text = re.sub(r"^ *TAGS\n", lambda _: TAGS if chance.random() < 0.4 else "", text, flags=re.M)
    return text.replace("@", name).replace("~", name.lower())


HEAD = """\
AWSTemplateFormatVersion: "2010-09-09"
Description: "@: functions, queues, tables and what they may reach"
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, test, prod]}
  Project: {Type: String, Default: ~, MinLength: 1}
  CostCenter:
    Type: String
    MinLength: 1
    Description: who pays
  VpcId: {Type: "AWS::EC2::VPC::Id"}
  SubnetIds: {Type: "List<AWS::EC2::Subnet::Id>"}
  RetentionDays: {Type: Number, Default: 30, AllowedValues: [30, 365]}
  UseCache: {Type: String, Default: "false", AllowedValues: ["true", "false"]}
Mappings:
  Sizes:
    dev: {Memo: 128, Ttl: 60}
    test: {Memo: 256, Ttl: 300}
    prod: {Memo: [512|1024], Ttl: 3600}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  WithCache: !Equals [!Ref UseCache, "true"]
  CacheInProd: !And [!Condition IsProd, !Condition WithCache]
Outputs:
  Project:
    Description: read by the pipeline
    Value: !Ref Project
Resources:
"""

TAGS = """\
      Tags:
        - Key: Project
          Value: !Ref Project
        - Key: Component
          Value: @
        - Key: Environment
          Value: !Ref Stage
        - {Key: CostCenter, Value: {Ref: CostCenter}}
"""

FUNCTION = """
  @Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: [30|60|180]
      MessageRetentionPeriod: 345600
      TAGS
  @Logs:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Delete
    Properties:
      LogGroupName: !Sub "/aws/lambda/${AWS::StackName}-~"
      RetentionInDays: !Ref RetentionDays
      TAGS
  @Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: lambda.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: [sqs:ReceiveMessage|sqs:SendMessage|sqs:PurgeQueue|"sqs:*"]
                Resource: !GetAtt @Queue.Arn
              - Effect: Allow
                Action:
                  - logs:CreateLogStream
                  - logs:PutLogEvents
                Resource: {Fn::GetAtt: [@Logs, Arn]}
              - Effect: Allow
                Action: xray:PutTraceSegments
                Resource: "*"
              - Effect: Allow
                Action: ssm:GetParameter
                Resource: !Sub
                  "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/~"
  @Function:
    Type: AWS::Lambda::Function
    DependsOn: @Logs
    Properties:
      FunctionName: !Sub "${AWS::StackName}-~"
      Runtime: python3.12
      Handler: app.handler
      MemorySize: !FindInMap [Sizes, !Ref Stage, Memo]
      Timeout: [3|10|30]
      Role: !GetAtt @Role.Arn
      Code:
        S3Bucket: !Sub "${Project}-code"
        S3Key: ~.zip
      Environment:
        Variables:
          QUEUE_URL: !Ref @Queue
          LEVEL: !If [IsProd, WARNING, DEBUG]
      TAGS
"""

CACHE = """
  @Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: what ~ reaches
      VpcId: !Ref VpcId
      SecurityGroupEgress:
        - {IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: [10.0.0.0/8|10.20.0.0/16|0.0.0.0/0]}
        - IpProtocol: tcp
          FromPort: 6379
          ToPort: 6379
          CidrIp: !If [CacheInProd, 10.20.0.0/16, 10.10.0.0/16]
      TAGS
  @Subnets:
    Type: AWS::ElastiCache::SubnetGroup
    Condition: WithCache
    Properties:
      Description: where ~ caches
      SubnetIds: !Ref SubnetIds
      TAGS
  @Cache:
    Type: AWS::ElastiCache::ReplicationGroup
    Condition: WithCache
    Properties:
      ReplicationGroupDescription: cache of ~
      Engine: valkey
      CacheNodeType: !If [IsProd, cache.m7g.large, cache.t4g.micro]
      NumCacheClusters: !If [IsProd, 2, 1]
      CacheSubnetGroupName: !Ref @Subnets
      SecurityGroupIds:
        - !GetAtt @Group.GroupId
      TransitEncryptionEnabled: true
      TAGS
"""

TABLE = """
  @Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: sk, AttributeType: [S|N]}
      KeySchema:
        - {AttributeName: pk, KeyType: HASH}
        - {AttributeName: sk, KeyType: RANGE}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
      TAGS
"""

BUCKET = """
  @Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Join ["-", [!Ref Project, !Ref "AWS::AccountId", ~]]
      PublicAccessBlockConfiguration:
        BlockPublicAcls: true
        BlockPublicPolicy: true
        IgnorePublicAcls: true
        RestrictPublicBuckets: true
      LifecycleConfiguration:
        Rules:
          - {Id: old, Status: Enabled, ExpirationInDays: [30|90]}
      TAGS
  @BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref @Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Sid: TlsOnly
            Effect: Deny
            Principal: "*"
            Action: "s3:*"
            Resource:
              - !GetAtt @Bucket.Arn
              - !Sub "${@Bucket.Arn}/*"
            Condition: {Bool: {"aws:SecureTransport": "false"}}
"""

TOPIC = """
  @Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: ~ in trouble
      KmsMasterKeyId: alias/aws/sns
      TAGS
  @Alarm:
    Type: AWS::CloudWatch::Alarm
    Condition: IsProd
    Properties:
      Namespace: !Ref Project
      MetricName: Failures
      Statistic: Sum
      Period: 300
      EvaluationPeriods: [1|3]
      Threshold: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      AlarmActions:
        - !Ref @Topic
      TAGS
"""

SUBNET = """
  @Subnet:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref VpcId
      CidrBlock: 10.20.[1|2|3|4].0/24
      AvailabilityZone: !Select [0, !GetAZs ""]
      TAGS
  @RouteTable:
    Type: AWS::EC2::RouteTable
    Properties:
      VpcId: !Ref VpcId
      TAGS
  @InTable:
    Type: AWS::EC2::SubnetRouteTableAssociation
    Properties:
      SubnetId: !Ref @Subnet
      RouteTableId: !Ref @RouteTable
"""

NIGHTLY = """
  @Nightly:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: cron(0 [1|2|3] * * ? *)
      State: !If [IsProd, ENABLED, DISABLED]
"""

UNITS = (FUNCTION, CACHE, TABLE, BUCKET, TOPIC, SUBNET, NIGHTLY)
